"""One axial section through a generated patient, before any scanner has seen it."""

from __future__ import annotations

import numpy as np

from tasks.phantom.canvas import Canvas, inside, texture
from tasks.phantom.ribs import paint_girdle, paint_ribs
from tasks.phantom.trunk import Trunk, paint_wall
from tasks.phantom.vertebra import paint_spine
from tasks.phantom.viscera import (
    paint_abdomen,
    paint_beside_spine,
    paint_lungs,
    paint_mediastinum,
    paint_vessels,
)


def paint_section(canvas: Canvas, trunk: Trunk, z_mm: float, bone: float, rng: np.random.Generator) -> None:
    """Paint the section at `z_mm` of the patient's frame on an empty canvas, from the skin inwards.

    Args:
        bone: factor of bone's attenuation at the scan's tube voltage (`scanner.bone_factor`).
        rng: for textures; shapes follow from the patient alone.
    """
    here = trunk.section(z_mm)
    x_mm, y_mm, wide, deep = here.outline_mm(trunk)
    window = canvas.box(x_mm, y_mm, wide + 4.0, deep + 4.0)
    if window is None:
        return
    canvas = canvas.part(window)
    cage = here.cage_mm(canvas, trunk.squareness)
    paint_wall(canvas, trunk, here, cage, rng)
    strands = np.float32(8.0) * texture(cage.shape, rng, grain_px=9.0)
    chest = here.cage_window(canvas)
    if chest is not None:
        fat = strands[chest] + np.float32(trunk.patient.fat_hu + 8.0)
        canvas.lay(inside(cage[chest], 1.2), fat, chest)
    paint_abdomen(canvas, trunk, here, rng)
    paint_mediastinum(canvas, trunk, here)
    paint_lungs(canvas, trunk, here, cage, rng)
    paint_beside_spine(canvas, trunk, here, rng)
    paint_vessels(canvas, trunk, here, bone)
    paint_ribs(canvas, trunk, here, cage, bone)
    paint_girdle(canvas, trunk, here, bone)
    paint_spine(canvas, trunk.patient, z_mm, bone, rng)
