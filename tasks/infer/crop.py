"""What the model sees of one vertebra: a slab about its middle, averaged, on a fixed 224 × 224 grid.

Training, validation and serving call the same function. Windowing and scaling are in the exported graph.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from tasks.volume.geometry import HuImage, SliceStack
from tasks.volume.slab import slab_weights

CROP_PIXELS = 224
"""Pixels on a side: the input size that DenseNet-121 was designed for."""
CROP_PIXEL_MM = 0.625
"""Pixel of the crop: 140 mm in all, the body and the paraspinal muscle together. Our
choice: Huang et al. 2025 give their network both, at a size that they do not say."""
OUTSIDE_HU = -1024
"""What lies outside the image: air, the lowest value of a 12-bit CT scale."""


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

    Slices are weighted as `tasks.volume.slab` says; pixels are interpolated linearly, with a kernel as wide
    as the coarser of both grids, so that fine pixels are averaged and not skipped. The centre of the crop,
    between pixels 111 and 112, is at the body's (x_mm, y_mm). What lies outside the image is −1024.

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
    for index, weight in slab_weights(geometry, body.z_mm).items():
        slab += np.float32(weight) * stack.hu(index)[rows, columns]
    # Relative to air, what is outside the image adds nothing, and needs no padding.
    crop = row_weights @ (slab - OUTSIDE_HU) @ column_weights.T + OUTSIDE_HU
    if out is None:
        out = np.empty((CROP_PIXELS, CROP_PIXELS), np.int16)
    out[...] = np.clip(np.rint(crop), OUTSIDE_HU, np.iinfo(np.int16).max)
    return out


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
