"""From a stack of DICOM planes to the canonical frame: which axes to swap and turn, and the grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tasks.dicom.instance import Instance
from tasks.dicom.stack import Orientation, Plane, Stack
from tasks.outcomes import Excluded, Reason
from tasks.settings import Selection
from tasks.volume.geometry import Geometry, HuImage

# The grid has axes along the patient's. Slices turned further than this against them would put a vertebra
# more than its own half width beside its place; eligibility allows 5 degrees of tilt.
MAX_TURN_DEG = 10.0
# One grid has one origin: slices that lie further beside each other than this are sheared or shifted.
MAX_SHIFT_MM = 3.0


@dataclass(frozen=True, slots=True)
class Turn:
    """How to bring a slice into the canonical frame: swap its axes, then reverse rows and columns."""

    transpose: bool
    flip_rows: bool
    flip_columns: bool

    def apply(self, image: HuImage) -> HuImage:
        """A view of the image, rows growing to the back and columns to the left of the patient."""
        turned = image.T if self.transpose else image
        return turned[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]


def turn_of(orientation: Orientation) -> Turn:
    """The turn that an ImageOrientationPatient asks for.

    Raises:
        Excluded: `not_axial` when the slices lie askew to the patient's axes.
    """
    along_columns, along_rows = orientation[:3], orientation[3:]
    transpose = abs(along_columns[0]) < abs(along_columns[1])
    to_left, to_back = (along_rows[0], along_columns[1]) if transpose else (along_columns[0], along_rows[1])
    turned_deg = math.degrees(math.acos(min(1.0, abs(to_left), abs(to_back))))
    if turned_deg > MAX_TURN_DEG:
        raise Excluded(Reason.NOT_AXIAL, f"slices lie {turned_deg:.0f}° askew to the patient's axes")
    return Turn(transpose, flip_rows=to_back < 0, flip_columns=to_left < 0)


def geometry_of(stack: Stack, selection: Selection) -> tuple[Geometry, Turn]:
    """The canonical grid of a stack, from headers alone.

    Raises:
        Excluded: `too_few_slices`, `not_axial`, `anisotropic_pixels`, `uneven_spacing` (slices of different
            grids) or `gantry_tilt` (slices not above each other): what a grid cannot express is refused.
    """
    if len(stack.planes) < 2 or stack.orientation is None:
        raise Excluded(Reason.TOO_FEW_SLICES, f"{len(stack.planes)} slices with a position")
    turn = turn_of(stack.orientation)
    first = stack.planes[0].instance
    row_mm, column_mm = _pixel_edges(first, selection)
    if any(not _same_grid(plane.instance, first) for plane in stack.planes):
        raise Excluded(Reason.UNEVEN_SPACING, "slices differ in rows, columns or pixel spacing")
    centres = np.array([_centre(plane, row_mm, column_mm) for plane in stack.planes])
    shift_mm = float(np.ptp(centres[:, :2], axis=0).max())
    if shift_mm > MAX_SHIFT_MM:
        raise Excluded(Reason.GANTRY_TILT, f"slices lie up to {shift_mm:.1f} mm beside each other")
    rows, columns = (first.columns, first.rows) if turn.transpose else (first.rows, first.columns)
    pixel_mm = (row_mm + column_mm) / 2
    z_mm = tuple(float(z) for z in centres[:, 2])
    x_mm, y_mm = (float(v) for v in np.median(centres[:, :2], axis=0))
    geometry = Geometry(
        rows=rows,
        columns=columns,
        pixel_mm=pixel_mm,
        z_mm=z_mm,
        # the mean, not the median: positions rounded to 0.1 mm must not add up over the stack
        spacing_mm=(z_mm[-1] - z_mm[0]) / (len(z_mm) - 1),
        origin_mm=(x_mm - (columns - 1) / 2 * pixel_mm, y_mm - (rows - 1) / 2 * pixel_mm),
    )
    return geometry, turn


def _pixel_edges(instance: Instance, selection: Selection) -> tuple[float, float]:
    if instance.pixel_spacing_mm is None or min(instance.pixel_spacing_mm) <= 0:
        raise Excluded(Reason.ANISOTROPIC_PIXELS, "the pixel spacing is not known")
    row_mm, column_mm = instance.pixel_spacing_mm
    difference = abs(row_mm - column_mm) / max(row_mm, column_mm)
    if difference > selection.max_pixel_anisotropy:
        raise Excluded(Reason.ANISOTROPIC_PIXELS, f"pixels of {row_mm:g} × {column_mm:g} mm")
    return row_mm, column_mm


def _same_grid(one: Instance, other: Instance) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in ("rows", "columns", "pixel_spacing_mm"))


def _centre(plane: Plane, row_mm: float, column_mm: float) -> tuple[float, float, float]:
    """Patient coordinates of the centre of a slice."""
    position, orientation = plane.header.position_mm, plane.header.orientation
    if position is None or orientation is None:
        raise ValueError("a plane without position is not stacked")
    right = (plane.instance.columns - 1) / 2 * column_mm
    down = (plane.instance.rows - 1) / 2 * row_mm
    x, y, z = (position[k] + right * orientation[k] + down * orientation[k + 3] for k in range(3))
    return x, y, z
