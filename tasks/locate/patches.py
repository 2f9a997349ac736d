"""Square patches of a slice in patient coordinates: one millimetre grid for every scanner.

Everything in localisation looks at the spine through these patches, so that a length in the code is a length
in the patient and noise is averaged alike for every pixel size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tasks.volume.geometry import Geometry, HuImage

FloatImage = npt.NDArray[np.float32]

#: HU outside of the image, as of air.
AIR_HU = -1024.0
#: Metal and contrast agent above this tell nothing more about anatomy, and would dominate means.
CEILING_HU = 1200.0


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
    margin = 4
    top = max(int(first_row) - margin, 0)
    left = max(int(first_column) - margin, 0)
    bottom = max(int(first_row + grid.rows * scale) + margin, top)
    right = max(int(first_column + grid.columns * scale) + margin, left)
    part = hu[top:bottom, left:right].astype(np.float32)
    if part.size == 0:
        return np.full((grid.rows, grid.columns), AIR_HU, dtype=np.float32)
    np.clip(part, AIR_HU, CEILING_HU, out=part)
    if scale > 1.0:
        part = ndimage.gaussian_filter(part, 0.4 * scale)
    patch: FloatImage = ndimage.affine_transform(
        part,
        np.array([scale, scale]),
        offset=(first_row - top, first_column - left),
        output_shape=(grid.rows, grid.columns),
        order=1,
        mode="constant",
        cval=AIR_HU,
    )
    return patch
