"""Paints the bones of the chest wall: ribs T1 to T12, breastbone, shoulder blades."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tasks.phantom.canvas import Canvas, Field, Window, capsule_mm, inside
from tasks.phantom.spine import LEVELS
from tasks.phantom.trunk import Section, Trunk

# How fast a rib falls on its way round the cage, in millimetres per radian, and the angle from the middle of
# the back at which each rib ends (ribs 11 and 12 float).
_FALL_MM = 52.0
_ENDS_RAD = (2.6, 2.6, 2.5, 2.5, 2.5, 2.4, 2.3, 2.2, 2.0, 1.8, 1.3, 0.9)


def paint_ribs(canvas: Canvas, trunk: Trunk, here: Section, cage: Field, bone: float) -> None:
    """Ribs: heads at the bodies, necks to the transverse processes, shafts falling round the cage.

    Args:
        cage: signed distance to the inner side of the rib cage.
        bone: factor of bone's attenuation at the scan's tube voltage.
    """
    ribs = [v for v in trunk.patient.vertebrae if v.level.startswith("T")]
    x, y = canvas.x - np.float32(here.x_mm), canvas.y - np.float32(here.y_mm)
    band = np.nonzero((cage > -2.0) & (cage < 11.0) & (np.abs(x) > 36.0))
    if len(band[0]):
        turn = np.arctan2(np.abs(x[band]), y[band] + np.float32(55.0))
        starts = np.array([v.z_mm + 0.25 * v.height_mm for v in reversed(ribs)], np.float32)
        ends = np.array(_ENDS_RAD[::-1], np.float32)
        height = np.float32(here.z_mm) + np.float32(_FALL_MM) * np.maximum(turn - np.float32(0.45), 0.0)
        which = np.searchsorted((starts[1:] + starts[:-1]) / 2, height)
        off = np.abs(height - starts[which]) + np.maximum(turn - ends[which], 0.0) * np.float32(60.0)
        shaft = np.sqrt(
            np.square(off * np.float32(0.6)) + np.square(cage[band] - np.float32(4.0))
        ) - np.float32(3.6)
        _lay_bone(canvas, band, shaft, trunk, bone)
    for vertebra in ribs:
        thin = 0.25 * abs(here.z_mm - vertebra.z_mm - 0.3 * vertebra.height_mm)
        window = canvas.around(here.x_mm, here.y_mm + 15.0, 62.0)
        if thin > 1.75 or window is None:
            continue
        fork, back = np.abs(x[window]), y[window]
        half = vertebra.width_mm / 2
        elbow, far = (half + 15.0, 24.0), (half + 36.0, 35.0)
        neck = capsule_mm(fork, back, (half + 2.5, 9.0), elbow, 4.6 - thin, 3.4 - thin)
        neck = np.minimum(neck, capsule_mm(fork, back, elbow, far, 3.4 - thin, 3.8 - thin))
        _lay_bone(canvas, window, neck, trunk, bone)


def paint_girdle(canvas: Canvas, trunk: Trunk, here: Section, bone: float) -> None:
    """Breastbone from T3 to T9, shoulder blades from T2 to T8."""
    if LEVELS.index("T3") < here.level < LEVELS.index("T9"):
        half = 22.0 if here.level < LEVELS.index("T5") else 15.0
        y = here.front_y_mm - 6.0
        window = canvas.around(here.x_mm, y, half + 8.0)
        if window is not None:
            plate = capsule_mm(
                canvas.x[window], canvas.y[window], (here.x_mm - half, y), (here.x_mm + half, y), 5.0, 5.0
            )
            _lay_bone(canvas, window, plate, trunk, bone)
    if not LEVELS.index("T2") - 0.5 < here.level < LEVELS.index("T8") + 0.3:
        return
    long = 45.0 * (1.0 - 0.12 * (here.level - LEVELS.index("T2")))
    for side in (-1.0, 1.0):
        inner = (
            here.x_mm + side * here.half_width_mm * 0.72,
            here.middle_y_mm + here.half_depth_mm * 0.8 + 18.0,
        )
        outer = (inner[0] + side * long * 0.8, inner[1] - long * 0.6)
        window = canvas.around((inner[0] + outer[0]) / 2, (inner[1] + outer[1]) / 2, long)
        if window is not None:
            blade = capsule_mm(canvas.x[window], canvas.y[window], inner, outer, 2.5, 4.0)
            _lay_bone(canvas, window, blade, trunk, bone)


def _lay_bone(
    canvas: Canvas,
    where: Window | tuple[npt.NDArray[np.intp], ...],
    section: Field,
    trunk: Trunk,
    bone: float,
) -> None:
    """Lay a bone with a shell of compact bone, given the signed distance to its surface."""
    soft = canvas.pixel_mm + 0.25 * canvas.thickness_mm
    cover = inside(section, soft)
    shell = cover - inside(section + np.float32(1.1), soft)
    value = np.float32((90.0 + 0.6 * trunk.patient.density_hu) * bone) + shell * np.float32(650.0 * bone)
    part = canvas.hu[where]
    canvas.hu[where] = part + cover * (value - part)
