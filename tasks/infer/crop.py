"""What the model sees of one vertebra: a slab about its middle, averaged, on a fixed 224 × 224 grid.

Training, validation and serving call the same function. Windowing and scaling are in the exported graph.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from tasks.outcomes import Excluded, Reason
from tasks.volume.geometry import Geometry, HuImage, SliceStack

CROP_PIXELS = 224
"""Pixels on a side: the input size that DenseNet-121 was designed for."""
CROP_PIXEL_MM = 0.625
"""Pixel of the crop: 140 mm in all, the body and the paraspinal muscle together (plan, 'The model's
input')."""
SLAB_MM = 5.0
"""Thickness that is averaged: thick enough to quiet 1 mm slices, thin enough to stay clear of endplates."""
OUTSIDE_HU = -1024
"""What lies outside the image: air, the lowest value of a 12-bit CT scale."""
MIN_SLAB_COVERED = 0.8
"""Least part of the slab that must lie inside the stack; less is the edge of the scan."""
MIN_SLICE_WEIGHT = 0.04
"""A slice that would make up less of the slab than this is not decoded for it."""


class Centred(Protocol):
    """Anything with a centre in patient coordinates (mm, LPS), such as a vertebral body."""

    @property
    def x_mm(self) -> float: ...  # noqa: D102

    @property
    def y_mm(self) -> float: ...  # noqa: D102

    @property
    def z_mm(self) -> float: ...  # noqa: D102


def model_crop(stack: SliceStack, body: Centred, out: HuImage | None = None) -> HuImage:
    """The crop of one vertebral body: int16 HU, shape (224, 224), rows to posterior, columns to patient left.

    Slices are weighted by how much of their extent (one slice spacing) lies in the slab of `SLAB_MM` about
    `body.z_mm`; pixels are interpolated linearly, with a kernel as wide as the coarser of both grids, so that
    fine pixels are averaged and not skipped. The centre of the crop, between pixels 111 and 112, is at the
    body's (x_mm, y_mm). What lies outside the image is −1024.

    Args:
        stack: slices in the canonical frame.
        body: the vertebral body.
        out: where to write, int16 (224, 224), for example a place in shared memory; a new array without it.

    Raises:
        Excluded: `spine_not_covered` when the stack ends inside the slab.
        Failed: as `SliceStack.hu` raises it.
    """
    geometry = stack.geometry
    row, column = geometry.to_pixel(body.x_mm, body.y_mm)
    rows, row_weights = _resampling(row, geometry.rows, geometry.pixel_mm)
    columns, column_weights = _resampling(column, geometry.columns, geometry.pixel_mm)
    slab = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32)
    for index, weight in slab_weights(geometry, body.z_mm):
        slab += np.float32(weight) * stack.hu(index)[rows, columns]
    # Relative to air, what is outside the image adds nothing, and needs no padding.
    crop = row_weights @ (slab - OUTSIDE_HU) @ column_weights.T + OUTSIDE_HU
    if out is None:
        out = np.empty((CROP_PIXELS, CROP_PIXELS), np.int16)
    out[...] = np.clip(np.rint(crop), OUTSIDE_HU, np.iinfo(np.int16).max)
    return out


def slab_weights(geometry: Geometry, z_mm: float) -> list[tuple[int, float]]:
    """(slice index, weight) of the slices that make up the slab about `z_mm`; weights add up to 1.

    Raises:
        Excluded: `spine_not_covered` when less than `MIN_SLAB_COVERED` of the slab lies inside the stack.
    """
    centres = np.asarray(geometry.z_mm)
    half_slice = geometry.spacing_mm / 2
    top = np.minimum(centres + half_slice, z_mm + SLAB_MM / 2)
    bottom = np.maximum(centres - half_slice, z_mm - SLAB_MM / 2)
    overlap = np.clip(top - bottom, 0.0, None)
    covered = float(overlap.sum()) / SLAB_MM
    if covered < MIN_SLAB_COVERED:
        raise Excluded(Reason.SPINE_NOT_COVERED, f"{covered:.0%} of the slab about a vertebra is in the scan")
    overlap[overlap < MIN_SLICE_WEIGHT * SLAB_MM] = 0.0
    used = np.flatnonzero(overlap)
    return [(int(index), float(overlap[index] / overlap.sum())) for index in used]


def _resampling(centre: float, size: int, pixel_mm: float) -> tuple[slice, npt.NDArray[np.float32]]:
    """The source pixels that one axis of the crop needs, and their weights, shape (224, source pixels).

    A triangular kernel as wide as the coarser grid: linear interpolation when the source is coarser, an
    average over the area when it is finer. Weights are normalised over an endless grid; those of pixels
    outside the image are then left out, which makes them count as `OUTSIDE_HU`.
    """
    step = CROP_PIXEL_MM / pixel_mm
    reach = max(1.0, step)
    places = centre + (np.arange(CROP_PIXELS) - (CROP_PIXELS - 1) / 2) * step
    first, last = int(np.floor(places[0] - reach)), int(np.ceil(places[-1] + reach))
    source = np.arange(first, last + 1)
    weights = np.clip(1.0 - np.abs(places[:, None] - source[None, :]) / reach, 0.0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    start, stop = min(max(first, 0), size), min(max(last + 1, 0), size)
    return slice(start, stop), weights[:, start - first : stop - first].astype(np.float32)
