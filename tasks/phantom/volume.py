"""Whole scans of generated patients: a plan of the slices, and each slice when it is asked for.

A slice depends on the scan and its own index alone, so slices can be made in any order, by any process, and
are never held together in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tasks.phantom.canvas import Canvas, inside
from tasks.phantom.patient import Patient
from tasks.phantom.scanner import Scanner, bone_factor, expose
from tasks.phantom.section import paint_section
from tasks.phantom.trunk import Trunk

PADDING_HU = -2000
"""Stands outside the field of view's circle where a scan has one, as some vendors write it."""

_TABLE_HU = -150.0
_WARP_MM = 0.8


@dataclass(frozen=True, slots=True)
class Scan:
    """A patient on a table, and where the slices go.

    Attributes:
        scanner: its `pixel_mm`, `thickness_mm` and `spacing_mm` are this scan's.
        side: rows and columns.
        z_mm: middle of every slice in the patient's frame (T12's centre at 0), ascending.
        centre_mm: patient x and y of the middle of the image.
        turn_rad: how far the patient lies turned about the long axis.
        circle: whether only the inscribed circle is reconstructed, the rest being `PADDING_HU`.
    """

    patient: Patient
    trunk: Trunk
    scanner: Scanner
    side: int
    z_mm: tuple[float, ...]
    centre_mm: tuple[float, float]
    turn_rad: float
    circle: bool

    @property
    def pixel_mm(self) -> float:
        """Edge of a pixel."""
        return self.scanner.pixel_mm


def plan_scan(
    patient: Patient,
    scanner: Scanner,
    *,
    top: str = "T1",
    bottom: str = "L2",
    side: int = 384,
    circle: bool = False,
) -> Scan:
    """Lay slices from the top of one vertebra to the bottom of another, over the whole width of the trunk.

    Raises:
        ValueError: when a level is unknown, or `top` lies below `bottom`.
    """
    high, low = patient.vertebra(top).top_mm, patient.vertebra(bottom).bottom_mm - 6.0
    if high <= low:
        raise ValueError(f"{top} lies below {bottom}")
    rng = np.random.default_rng([patient.seed, 13])
    trunk = Trunk.of(patient)
    middle = trunk.section((high + low) / 2)
    width = 2 * (middle.half_width_mm + 14 + 0.8 * patient.subcutaneous_mm)
    field_mm = float(np.clip(width + rng.uniform(10, 40), 320.0, 500.0))
    z_mm = np.arange(low, high, scanner.spacing_mm) + float(rng.uniform(0, scanner.spacing_mm))
    centre = middle.x_mm + float(rng.normal(0, 6)), middle.middle_y_mm + 8.0 + float(rng.normal(0, 6))
    return Scan(
        patient=patient,
        trunk=trunk,
        scanner=replace(scanner, pixel_mm=round(field_mm / side, 4)),
        side=side,
        z_mm=tuple(round(float(z), 3) for z in z_mm),
        centre_mm=(round(centre[0], 2), round(centre[1], 2)),
        turn_rad=float(rng.normal(0.0, 0.025)),
        circle=circle,
    )


def render_slice(scan: Scan, index: int, *, thickness_mm: float | None = None) -> npt.NDArray[np.int16]:
    """Slice `index` in HU, −1024 to 3071, shape (side, side), rows to the back, columns to the left."""
    rng = np.random.default_rng([scan.patient.seed, 17, index])
    thickness = scan.scanner.thickness_mm if thickness_mm is None else thickness_mm
    canvas = Canvas.blank(
        scan.side, scan.pixel_mm, scan.centre_mm, thickness_mm=thickness, turn_rad=scan.turn_rad
    )
    canvas.warp(scan.patient.seed, scan.z_mm[index], _WARP_MM)
    _paint_table(canvas, scan)
    paint_section(canvas, scan.trunk, scan.z_mm[index], bone_factor(scan.scanner.kvp), rng)
    image = expose(canvas.hu, scan.scanner, rng, pixel_mm=scan.pixel_mm, noise_hu=scan.scanner.noise_hu)
    hu = np.clip(np.rint(image), -1024, 3071).astype(np.int16)
    if scan.circle:
        off = (np.arange(scan.side) - (scan.side - 1) / 2) ** 2
        hu[off[:, None] + off[None, :] > (scan.side / 2) ** 2] = PADDING_HU
    return hu


def render_volume(scan: Scan) -> Iterator[tuple[float, npt.NDArray[np.int16]]]:
    """Every slice in turn: z in the patient's frame, and HU of shape (side, side)."""
    for index, z_mm in enumerate(scan.z_mm):
        yield z_mm, render_slice(scan, index)


def _paint_table(canvas: Canvas, scan: Scan) -> None:
    """The table under the patient: a thin shell with foam in it."""
    back = max(scan.trunk.spine_y) + scan.trunk.back_mm + 0.75 * scan.patient.subcutaneous_mm + 4.0
    # at its sides the board is bent up by 49 mm
    window = canvas.box(0.0, back - 10.0, 212.0, 40.0)
    if window is None:
        return
    x, y = canvas.x[window], canvas.y[window] - np.float32(back)
    bend = np.square(x) * np.float32(1 / 900.0)
    board = np.maximum(np.abs(y + bend - 14.0) - np.float32(12.0), np.abs(x) - np.float32(210.0))
    canvas.lay(inside(board, 1.5), _TABLE_HU, window)
    canvas.lay(inside(board + np.float32(2.0), 1.5), -930.0, window)
