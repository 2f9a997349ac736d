"""Square patches of a slice in patient coordinates: one millimetre grid for every scanner.

Everything in localisation looks at the spine through these patches, so that a length in the code is a length
in the patient and noise is averaged alike for every pixel size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tasks.volume.geometry import Geometry, HuImage

FloatImage = npt.NDArray[np.float32]
Offsets = npt.NDArray[np.intp]
Scalar = TypeVar("Scalar", bound=np.generic)

#: HU outside of the image, as of air.
AIR_HU = -1024.0
#: Metal and contrast agent above this tell nothing more about anatomy, and would dominate means.
CEILING_HU = 1200.0
#: Standard deviation of the blur of coarser grids, as part of the distance of their points.
BLUR = 0.4


@dataclass(frozen=True, slots=True)
class Grid:
    """A rectangle of points in patient x and y.

    Attributes:
        x_mm, y_mm: patient coordinates of the first point (right, anterior corner).
        columns, rows: number of points along x and y.
        step_mm: distance between neighbouring points.
    """

    x_mm: float
    y_mm: float
    columns: int
    rows: int
    step_mm: float

    def to_patient_mm(self, row: float, column: float) -> tuple[float, float]:
        """Patient (x, y) of a point of the grid."""
        return self.x_mm + column * self.step_mm, self.y_mm + row * self.step_mm


def grid_about(
    x_mm: float, y_mm: float, half_width_mm: float, before_mm: float, behind_mm: float, step_mm: float
) -> Grid:
    """A grid from `before_mm` anterior of a patient point to `behind_mm` posterior of it."""
    columns = 2 * round(half_width_mm / step_mm) + 1
    rows = round(before_mm / step_mm) + round(behind_mm / step_mm) + 1
    left = x_mm - (columns - 1) / 2 * step_mm
    return Grid(left, y_mm - round(before_mm / step_mm) * step_mm, columns, rows, step_mm)


def sample(hu: HuImage, geometry: Geometry, grid: Grid) -> FloatImage:
    """Attenuation at the points of `grid`, each averaged over about its own cell.

    Returns:
        Shape (grid.rows, grid.columns), HU, clipped to −1024 to 1200.
    """
    first_row, first_column = geometry.to_pixel(grid.x_mm, grid.y_mm)
    scale = grid.step_mm / geometry.pixel_mm
    rows, row_weights = _resampling(first_row, scale, grid.rows, geometry.rows)
    columns, column_weights = _resampling(first_column, scale, grid.columns, geometry.columns)
    part = np.clip(hu[rows, columns], int(AIR_HU), int(CEILING_HU)).astype(np.float32)
    # Relative to air, what is outside of the image adds nothing.
    patch = row_weights @ (part - np.float32(AIR_HU)) @ column_weights.T + np.float32(AIR_HU)
    return np.ascontiguousarray(patch, dtype=np.float32)


@lru_cache(maxsize=16)  # the slices of a study are sampled on the same few grids
def _resampling(first: float, scale: float, points: int, size: int) -> tuple[slice, sparse.csr_array]:
    """The pixels that one axis of a grid needs, and their weights, shape (points, pixels).

    A Gaussian about as wide as the distance of the points, where that is more than a pixel, and then linear
    interpolation. Pixels outside of the image are left out.

    Args:
        first: place of the first point, in pixels.
        scale: distance of the points, in pixels.
        points: their number.
        size: pixels of the image.
    """
    sigma = BLUR * scale if scale > 1.0 else 0.0
    reach = int(4.0 * sigma + 0.5)
    blur = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-6)) ** 2)
    blur /= blur.sum()
    places = first + scale * np.arange(points)
    below = np.floor(places).astype(np.intp)
    share = (places - below)[:, None]
    weights = (1.0 - share) * np.append(blur, 0.0) + share * np.append(0.0, blur)
    start = int(np.clip(below[0] - reach, 0, size))
    stop = int(np.clip(below[-1] + reach + 2, start, size))
    pixels = below[:, None] + np.arange(-reach, reach + 2)
    inside = (pixels >= start) & (pixels < stop)
    ends = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
    held = (weights[inside].astype(np.float32), pixels[inside] - start, ends)
    return slice(start, stop), sparse.csr_array(held, shape=(points, stop - start))


def seen_from(
    image: npt.NDArray[Scalar], offsets: Offsets, outside: Literal["constant", "edge"] = "constant"
) -> Iterator[npt.NDArray[Scalar]]:
    """What every point of an image sees at each of some places about it.

    Args:
        image: shape (rows, columns).
        offsets: rows below and columns to the right of a point, shape (places, 2).
        outside: what lies around the image: "constant" 0, or its "edge" over and over.
    """
    reach = int(np.abs(offsets).max())
    padded = np.pad(image, reach, mode=outside)
    rows, columns = image.shape
    for down, right in offsets + reach:
        yield padded[down : down + rows, right : right + columns]
