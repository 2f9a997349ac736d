"""`sagittal_strip`: a picture along the spine from the slices that were read anyway."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.locate.anatomy import Column
from tasks.volume.geometry import SliceStack

FloatImage = npt.NDArray[np.float32]

GRID_MM = 1.0  # finer than a screen shows of a whole spine
FRONT_MM, BACK_MM = 50.0, 65.0  # the body and the spinous processes
AVERAGED_MM = 4.0  # across the midline: quiets noise, and is narrow against a canal of about 20 mm
LARGEST_GAP_MM = 25.0  # about one vertebra: across more than that nothing is drawn


@dataclass(frozen=True, slots=True)
class SagittalStrip:
    """A sagittal picture that follows the spine from side to side.

    Attributes:
        hu: shape (z, y), head first, front first; NaN where too few slices were read.
        top_mm, bottom_mm: patient z of the edges of the picture.
        front_mm, back_mm: patient y of the edges.
        read_z_mm: patient z of the slices it was made from.
    """

    hu: FloatImage
    top_mm: float
    bottom_mm: float
    front_mm: float
    back_mm: float
    read_z_mm: tuple[float, ...]


def sagittal_strip(stack: SliceStack, read: Iterable[int], column: Column) -> SagittalStrip | None:
    """The strip through the middle of the vertebral bodies.

    Args:
        stack: the volume.
        read: indices of the slices that have been decoded; no other is asked for.
        column: where the bodies are.

    Returns:
        The strip; None when fewer than two slices were read.
    """
    geometry = stack.geometry
    indices = sorted(set(read))
    if len(indices) < 2:
        return None
    z_mm = np.asarray([geometry.z_mm[index] for index in indices])
    centre_x = np.interp(z_mm, column.z_mm, [x for x, _ in column.body_xy_mm])
    centre_y = float(np.median([y for _, y in column.body_xy_mm]))
    y_mm = np.arange(centre_y - FRONT_MM, centre_y + BACK_MM, GRID_MM) + GRID_MM / 2
    lines = np.stack([_line(stack, index, x, y_mm) for index, x in zip(indices, centre_x, strict=True)])
    rows_z = np.arange(z_mm[-1], z_mm[0], -GRID_MM) - GRID_MM / 2
    return SagittalStrip(
        hu=_between(lines, z_mm, rows_z),
        top_mm=float(rows_z[0] + GRID_MM / 2),
        bottom_mm=float(rows_z[-1] - GRID_MM / 2),
        front_mm=float(y_mm[0] - GRID_MM / 2),
        back_mm=float(y_mm[-1] + GRID_MM / 2),
        read_z_mm=tuple(float(z) for z in z_mm),
    )


def _line(stack: SliceStack, index: int, x_mm: float, y_mm: npt.NDArray[np.float64]) -> FloatImage:
    """HU from front to back in one slice, averaged across the midline."""
    geometry = stack.geometry
    _, column = geometry.to_pixel(x_mm, 0.0)
    half = max(round(AVERAGED_MM / 2 / geometry.pixel_mm), 0)
    centre = min(max(round(column), half), geometry.columns - 1 - half)
    profile = stack.hu(index)[:, centre - half : centre + half + 1].mean(axis=1)
    rows = (y_mm - geometry.origin_mm[1]) / geometry.pixel_mm
    return np.asarray(np.interp(rows, np.arange(geometry.rows), profile), np.float32)


def _between(
    lines: FloatImage, lines_z: npt.NDArray[np.float64], rows_z: npt.NDArray[np.float64]
) -> FloatImage:
    """Lines at `lines_z` interpolated to `rows_z`; NaN where the lines are too far apart."""
    above = np.clip(np.searchsorted(lines_z, rows_z), 1, len(lines_z) - 1)
    gap = lines_z[above] - lines_z[above - 1]
    share = np.clip((rows_z - lines_z[above - 1]) / gap, 0.0, 1.0)[:, None]
    rows = lines[above - 1] * (1 - share) + lines[above] * share
    rows[gap > LARGEST_GAP_MM] = np.nan
    return np.asarray(rows, np.float32)
