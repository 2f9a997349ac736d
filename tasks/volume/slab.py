"""Slabs: neighbouring slices averaged, by how much of each lies within a thickness about a height."""

from __future__ import annotations

from tasks.outcomes import Excluded, Reason
from tasks.volume.geometry import Geometry

SLAB_MM = 5.0
"""Thickness in which a vertebra is measured and shown to the model: thick enough to quiet 1 mm slices, thin
enough to stay clear of endplates. Our choice; by hand ±2.5 mm."""
LEAST_WEIGHT = 0.05
"""Slices that hold less than this part of a slab are not worth decoding."""
LEAST_COVERED = 0.8
"""Least part of a slab that must lie inside the stack; less is the edge of the scan."""


def slab_weights(geometry: Geometry, z_mm: float, thickness_mm: float = SLAB_MM) -> dict[int, float]:
    """How much each slice adds to a slab about `z_mm`: its overlap with it; the weights add up to 1.

    A slice is taken to be as thick as slices are apart.

    Raises:
        Excluded: `spine_not_covered` when less than `LEAST_COVERED` of the slab lies inside the stack.
    """
    half = geometry.spacing_mm / 2
    low, high = z_mm - thickness_mm / 2, z_mm + thickness_mm / 2
    overlaps = {
        index: max(min(geometry.z_mm[index] + half, high) - max(geometry.z_mm[index] - half, low), 0.0)
        for index in range(geometry.nearest(low - half), geometry.nearest(high + half) + 1)
    }
    covered = sum(overlaps.values()) / thickness_mm
    if covered < LEAST_COVERED:
        raise Excluded(Reason.SPINE_NOT_COVERED, f"{covered:.0%} of the slab about a vertebra is in the scan")
    least = LEAST_WEIGHT * covered * thickness_mm
    kept = {index: overlap for index, overlap in overlaps.items() if overlap >= least}
    return {index: overlap / sum(kept.values()) for index, overlap in kept.items()}
