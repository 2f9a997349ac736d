"""The straightened column: planes at right angles to the spinal canal, one per millimetre along it.

Kyphosis and scoliosis tilt vertebrae by up to 45° against axial slices, which smears endplates over a
centimetre of z. In planes at right angles to the canal endplates are sharp again, and one plane shows either
a vertebra or a disc.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tasks.locate.anatomy import Column
from tasks.locate.patches import FloatImage, Grid, sample
from tasks.locate.sampling import fine_slices
from tasks.volume.geometry import SliceStack

FloatArray = npt.NDArray[np.float64]

#: Distance of the points of a plane, and of the planes: finer than the fine slices are apart.
STEP_MM = 1.0
#: What a plane shows about the canal: the body in front with its surroundings, the pedicles, the arch.
HALF_WIDTH_MM, BEFORE_MM, BEHIND_MM = 40.0, 62.0, 20.0
#: The lean of the canal is averaged over about a vertebra: a single body is no more bent than that.
LEAN_SMOOTH_MM = 10.0
#: A canal that leans more is followed as if it leaned this much: planes must not run along the slices.
MAX_LEAN_SLOPE = 1.2


@dataclass(frozen=True, slots=True)
class Straightened:
    """Planes along the canal, caudal first, `STEP_MM` apart along it.

    Attributes:
        z_mm: patient z at which each plane cuts the canal, ascending.
        hu: shape (planes, rows, columns); rows to the back, columns to the left; NaN outside of the stack.
        side_mm: place of the columns beside the canal, to the left, shape (columns,).
        behind_mm: place of the rows behind the canal (negative: before it), shape (rows,).
        canal_xy_mm: where the canal is, shape (planes, 2).
        lean: angle of the canal against z, to the left and to the back, radians, shape (planes, 2).
        body_side_mm, body_ahead_mm: centre of the body beside and before the canal, from the column.
        body_half_width_mm: half the transverse width of the body, from the column.
    """

    z_mm: FloatArray
    hu: npt.NDArray[np.float32]
    side_mm: FloatArray
    behind_mm: FloatArray
    canal_xy_mm: FloatArray
    lean: FloatArray
    body_side_mm: FloatArray
    body_ahead_mm: FloatArray
    body_half_width_mm: FloatArray

    def to_patient_mm(self, plane: float, side_mm: float, behind_mm: float) -> tuple[float, float, float]:
        """Patient (x, y, z) of a place in a plane, whose number may lie between two planes."""
        numbers = np.arange(len(self.z_mm))
        lean_x, lean_y = (float(np.interp(plane, numbers, self.lean[:, axis])) for axis in range(2))
        x, y = (float(np.interp(plane, numbers, self.canal_xy_mm[:, axis])) for axis in range(2))
        z = float(np.interp(plane, numbers, self.z_mm))
        return (
            x + side_mm * float(np.cos(lean_x)),
            y + behind_mm * float(np.cos(lean_y)),
            z - side_mm * float(np.sin(lean_x)) - behind_mm * float(np.sin(lean_y)),
        )


def straighten(stack: SliceStack, column: Column, bottom_mm: float, top_mm: float) -> Straightened:
    """Planes along `column` between two patient z, read from the fine slices of that range.

    Args:
        stack: the slices; those of the range that are about 3 mm apart are read.
        column: canal and bodies.
        bottom_mm, top_mm: range of patient z, at least 10 mm of it inside the stack.
    """
    geometry = stack.geometry
    indices = [index for index in fine_slices(geometry) if bottom_mm <= geometry.z_mm[index] <= top_mm]
    read_mm = np.array([geometry.z_mm[index] for index in indices])
    z_mm, lean = _planes(column, float(read_mm[0]), float(read_mm[-1]))
    at_mm = np.array(column.z_mm)
    canal, body = (
        np.stack([np.interp(z_mm, at_mm, line[:, axis]) for axis in range(2)], axis=1)
        for line in (np.array(column.canal_xy_mm), np.array(column.body_xy_mm))
    )
    grid = _grid_around(canal)
    stack.want(indices)
    block = np.stack([sample(stack.hu(index), geometry, grid) for index in indices])
    side = np.arange(-HALF_WIDTH_MM, HALF_WIDTH_MM + STEP_MM / 2, STEP_MM)
    behind = np.arange(-BEFORE_MM, BEHIND_MM + STEP_MM / 2, STEP_MM)
    planes = np.empty((len(z_mm), len(behind), len(side)), dtype=np.float32)
    slices_per_mm = (len(read_mm) - 1) / float(read_mm[-1] - read_mm[0])
    for place, z in enumerate(z_mm):
        (lean_x, lean_y), (x_mm, y_mm) = lean[place], canal[place]
        planes[place] = _interpolated(
            block,
            (z - side * np.sin(lean_x) - behind[:, None] * np.sin(lean_y) - read_mm[0]) * slices_per_mm,
            (y_mm + behind * np.cos(lean_y) - grid.y_mm) / grid.step_mm,
            (x_mm + side * np.cos(lean_x) - grid.x_mm) / grid.step_mm,
        )
    return Straightened(
        z_mm=z_mm,
        hu=planes,
        side_mm=side,
        behind_mm=behind,
        canal_xy_mm=canal,
        lean=lean,
        body_side_mm=body[:, 0] - canal[:, 0],
        body_ahead_mm=canal[:, 1] - body[:, 1],
        body_half_width_mm=np.interp(z_mm, at_mm, np.array(column.body_radius_mm)),
    )


def _interpolated(block: FloatImage, z: FloatArray, y: FloatArray, x: FloatArray) -> FloatImage:
    """Values between the points of a block, shape (slices, rows, columns).

    Args:
        z: shape (y, x); NaN comes of places below the first slice or above the last.
        y, x: rows and columns, within the block.
    """
    slices, rows, columns = block.shape
    below, top, left = (
        np.clip(place.astype(np.intp), 0, size - 2) for place, size in ((z, slices), (y, rows), (x, columns))
    )
    up, down, right = (
        (place - whole).astype(np.float32) for place, whole in ((z, below), (y, top), (x, left))
    )
    corner = (below * rows + top[:, None]) * columns + left
    flat = block.ravel()

    def within(at: npt.NDArray[np.intp]) -> FloatImage:
        upper = flat[at] + right * (flat[at + 1] - flat[at])
        lower = flat[at + columns] + right * (flat[at + columns + 1] - flat[at + columns])
        return np.asarray(upper + down[:, None] * (lower - upper), dtype=np.float32)

    first = within(corner)
    values = first + up * (within(corner + rows * columns) - first)
    values[(z < 0.0) | (z > slices - 1)] = np.nan
    return values


def _planes(column: Column, bottom_mm: float, top_mm: float) -> tuple[FloatArray, FloatArray]:
    dense = np.arange(bottom_mm, top_mm + 0.25, 0.5)
    slopes = []
    for axis in range(2):
        line = np.interp(dense, column.z_mm, np.array(column.canal_xy_mm)[:, axis])
        slope = ndimage.gaussian_filter1d(np.gradient(line, dense), LEAN_SMOOTH_MM / 0.5, mode="nearest")
        slopes.append(np.clip(slope, -MAX_LEAN_SLOPE, MAX_LEAN_SLOPE))
    length = np.concatenate([[0.0], np.cumsum(np.hypot(1.0, np.hypot(*slopes)))[:-1] * 0.5])
    steps = np.arange(0.0, length[-1] + 1e-6, STEP_MM)
    lean = np.stack([np.arctan(np.interp(steps, length, slope)) for slope in slopes], axis=1)
    return np.interp(steps, length, dense), lean


def _grid_around(canal: FloatArray) -> Grid:
    left, front = canal[:, 0].min() - HALF_WIDTH_MM, canal[:, 1].min() - BEFORE_MM
    right, back = canal[:, 0].max() + HALF_WIDTH_MM, canal[:, 1].max() + BEHIND_MM
    columns, rows = int((right - left) / STEP_MM) + 2, int((back - front) / STEP_MM) + 2
    return Grid(float(left), float(front), columns, rows, STEP_MM)
