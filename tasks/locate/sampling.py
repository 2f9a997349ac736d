"""Which slices are looked at: every look at a slice costs its decoding, so few, and the same ones twice."""

from __future__ import annotations

from tasks.volume.geometry import Geometry

#: Distance of the slices looked at first: two or three in every vertebra.
COARSE_MM = 10.0
#: Largest distance of the fine slices: half of the thinnest lower thoracic disc with its two endplates
#: (about 6 mm), and a third of the slices at 1 mm spacing.
FINE_MM = 3.0


def fine_slices(geometry: Geometry) -> list[int]:
    """Indices of the slices that may be looked at closely: at most 3 mm apart, all where they are thicker."""
    step = max(1, int(FINE_MM / geometry.spacing_mm + 1e-6))
    return list(range(0, geometry.slices, step))


def coarse_slices(geometry: Geometry) -> list[int]:
    """Indices of slices about 10 mm apart from the lowest upwards; a subset of the fine ones."""
    fine = fine_slices(geometry)
    gap_mm = (fine[1] - fine[0]) * geometry.spacing_mm if len(fine) > 1 else COARSE_MM
    return fine[:: max(1, round(COARSE_MM / gap_mm))]
