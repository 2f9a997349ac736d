"""Which slices are looked at: every look at a slice costs its decoding, so few, and the same ones twice."""

from __future__ import annotations

from tasks.volume.geometry import Geometry

#: Distance of the slices looked at first: two or three in every vertebra.
COARSE_MM = 10.0
#: Largest distance of the fine slices: half of the thinnest lower thoracic disc with its two endplates
#: (about 6 mm), and a third of the slices at 1 mm spacing.
FINE_MM = 3.0
#: Thin slices are many: where they are as near as this, only part of them may be decoded: our limit is
#: 45 % of the slices, less a margin.
THIN_MM, THIN_SHARE = 1.25, 0.40
#: What is kept of that for measuring: four slabs of 5 mm, of which the fine slices already hold a part.
SLABS_MM = 4 * 4.0
#: The range looked at closely: never less than four vertebrae with their discs need, nor more than T3 to L2.
LEAST_RANGE_MM, MOST_RANGE_MM = 110.0, 260.0


def fine_slices(geometry: Geometry) -> list[int]:
    """Indices of the slices that may be looked at closely: at most 3 mm apart, all where they are thicker."""
    step = max(1, int(FINE_MM / geometry.spacing_mm + 1e-6))
    return list(range(0, geometry.slices, step))


def coarse_slices(geometry: Geometry) -> list[int]:
    """Indices of slices about 10 mm apart from the lowest upwards; a subset of the fine ones."""
    fine = fine_slices(geometry)
    return fine[:: _every(geometry, fine)]


def affordable_range_mm(geometry: Geometry) -> float:
    """How much of the stack, in mm of z, may be looked at closely when the rest is looked at coarsely."""
    if geometry.spacing_mm > THIN_MM:
        return MOST_RANGE_MM
    fine = fine_slices(geometry)
    fine_mm = (fine[1] - fine[0]) * geometry.spacing_mm if len(fine) > 1 else FINE_MM
    coarse_mm = fine_mm * _every(geometry, fine)
    allowed = THIN_SHARE * geometry.slices - SLABS_MM / geometry.spacing_mm
    affordable = (allowed - geometry.coverage_mm / coarse_mm) / (1.0 / fine_mm - 1.0 / coarse_mm)
    return min(max(affordable, LEAST_RANGE_MM), MOST_RANGE_MM)


def _every(geometry: Geometry, fine: list[int]) -> int:
    fine_mm = (fine[1] - fine[0]) * geometry.spacing_mm if len(fine) > 1 else COARSE_MM
    return max(1, round(COARSE_MM / fine_mm))
