"""Attenuation of trabecular bone in one vertebral body: a disc in its front and middle, 5 mm thick.

This is how a radiologist places it by hand: away from the cortex, from the endplates, and from the
basivertebral vein, which enters the body from behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.locate.anatomy import Body
from tasks.volume.geometry import Geometry, SliceStack

#: Thickness of the slab about the mid-vertebral level. Source: plan (the model's input), ±2.5 mm by hand.
SLAB_MM = 5.0
#: Radius of the region by hand; less in small bodies, so that it keeps away from the cortex.
RADIUS_MM = 7.0
#: Largest part of the body's half diameters that the region takes.
LARGEST_SHARE = 0.5
#: How far the region lies before the middle of the body, as part of its half depth: the vein is behind.
AHEAD = 0.2
#: Slices that hold less than this part of the slab are not worth decoding.
LEAST_WEIGHT = 0.05

FloatImage = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Trabecular:
    """Attenuation of the trabecular bone of one vertebral body.

    Attributes:
        hu: mean over the region and the slab.
        sd_hu: standard deviation of the slab's pixels in the region.
        area_mm2: area of the region.
        x_mm, y_mm, z_mm: centre of the region, patient coordinates.
        radius_x_mm, radius_y_mm: half diameters of the (elliptic) region.
    """

    hu: float
    sd_hu: float
    area_mm2: float
    x_mm: float
    y_mm: float
    z_mm: float
    radius_x_mm: float
    radius_y_mm: float


def measure_trabecular(stack: SliceStack, body: Body) -> Trabecular:
    """Mean attenuation of trabecular bone about the middle of `body`.

    Raises:
        ValueError: when the body lies outside of the stack.
    """
    geometry = stack.geometry
    radius_x = min(RADIUS_MM, LARGEST_SHARE * body.width_mm / 2)
    radius_y = min(RADIUS_MM, LARGEST_SHARE * body.depth_mm / 2)
    y_mm = body.y_mm - AHEAD * body.depth_mm / 2
    slab = slab_mean(stack, body.z_mm, SLAB_MM)
    inside = _ellipse(geometry, body.x_mm, y_mm, radius_x, radius_y)
    values = slab[inside]
    if values.size == 0:
        raise ValueError("the vertebral body lies outside of the stack")
    return Trabecular(
        hu=float(values.mean()),
        sd_hu=float(values.std()),
        area_mm2=float(values.size) * geometry.pixel_mm**2,
        x_mm=body.x_mm,
        y_mm=y_mm,
        z_mm=body.z_mm,
        radius_x_mm=radius_x,
        radius_y_mm=radius_y,
    )


def slab_weights(geometry: Geometry, z_mm: float, thickness_mm: float) -> dict[int, float]:
    """How much each slice adds to a slab about `z_mm`: its overlap with it; the weights sum to 1.

    A slice is taken to be as thick as slices are apart.
    """
    half = geometry.spacing_mm / 2
    first, last = (
        geometry.nearest(z_mm - thickness_mm / 2 - half),
        geometry.nearest(z_mm + thickness_mm / 2 + half),
    )
    overlaps = {}
    for index in range(first, last + 1):
        at = geometry.z_mm[index]
        overlap = min(at + half, z_mm + thickness_mm / 2) - max(at - half, z_mm - thickness_mm / 2)
        overlaps[index] = max(overlap, 0.0)
    total = sum(overlaps.values())
    if total <= 0.0:
        return {geometry.nearest(z_mm): 1.0}
    kept = {index: overlap for index, overlap in overlaps.items() if overlap >= LEAST_WEIGHT * total}
    return {index: overlap / sum(kept.values()) for index, overlap in kept.items()}


def slab_mean(stack: SliceStack, z_mm: float, thickness_mm: float) -> FloatImage:
    """Mean attenuation over a slab of axial slices about `z_mm`, shape (rows, columns), HU."""
    mean = np.zeros((stack.geometry.rows, stack.geometry.columns), dtype=np.float32)
    for index, weight in slab_weights(stack.geometry, z_mm, thickness_mm).items():
        mean += np.float32(weight) * stack.hu(index)
    return mean


def _ellipse(
    geometry: Geometry, x_mm: float, y_mm: float, radius_x_mm: float, radius_y_mm: float
) -> npt.NDArray[np.bool_]:
    row, column = geometry.to_pixel(x_mm, y_mm)
    rows = (np.arange(geometry.rows)[:, None] - row) * geometry.pixel_mm / radius_y_mm
    columns = (np.arange(geometry.columns)[None, :] - column) * geometry.pixel_mm / radius_x_mm
    inside: npt.NDArray[np.bool_] = rows**2 + columns**2 <= 1.0
    return inside
