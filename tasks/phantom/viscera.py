"""Paints what lies in the rib cage and under the diaphragm: lungs, mediastinum, great vessels, abdomen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.phantom.canvas import Canvas, Field, capsule_mm, ellipse_mm, inside, texture
from tasks.phantom.spine import LEVELS
from tasks.phantom.trunk import Section, Trunk, meat

# How far below the top of its dome the diaphragm meets the cage, and so the lowest lung.
_RECESS_MM = 88.0


def paint_abdomen(canvas: Canvas, trunk: Trunk, here: Section, rng: np.random.Generator) -> None:
    """Liver, stomach, spleen, kidneys; the lungs are painted over what reaches above the diaphragm."""
    if here.level < LEVELS.index("T7"):
        return
    liver, spleen, kidney = trunk.organ_hu
    low = LEVELS.index("T12")
    wide, deep = here.half_width_mm, here.half_depth_mm
    shrink = float(np.clip(1.15 - 0.13 * max(here.level - low, 0.0), 0.3, 1.0)) * trunk.organ_scale
    grain = np.float32(5.0) * texture(canvas.hu.shape, rng, grain_px=5.0)
    x, y = canvas.x - np.float32(here.x_mm), canvas.y - np.float32(here.middle_y_mm)
    lobe = ellipse_mm(x + np.float32(wide * 0.48), y, (wide * 0.52 * shrink, deep * 0.93 * shrink), 0.15)
    left_lobe = ellipse_mm(
        x - np.float32(wide * 0.1), y + np.float32(deep * 0.5), (wide * 0.5, deep * 0.33 * shrink)
    )
    canvas.lay(inside(np.minimum(lobe, left_lobe), 3.0), grain + np.float32(liver))
    for left, back, radii, turn, soft_mm, hu in (
        (wide * 0.45, -deep * 0.3, (wide * 0.33, deep * 0.42), 0.0, 2.5, 28.0),  # stomach
        (wide * 0.68, deep * 0.45, (wide * 0.2, deep * 0.4 * shrink), -0.5, 2.0, spleen),
    ):
        window = canvas.around(here.x_mm + left, here.middle_y_mm + back, max(radii) + soft_mm)
        if window is not None:
            pouch = ellipse_mm(x[window] - np.float32(left), y[window] - np.float32(back), radii, turn)
            canvas.lay(inside(pouch, soft_mm), grain[window] + np.float32(hu), window)
    for side, top in ((-1.0, low + 0.4), (1.0, low - 0.1)):
        size = (
            float(np.clip(1.0 - ((here.level - top - 1.6) / 1.8) ** 2, 0.0, 1.0)) ** 0.5 * trunk.organ_scale
        )
        if size > 0.1:
            place = (here.x_mm + side * (50.0 * trunk.patient.girth**0.5 + 4.0), here.y_mm + 4.0)
            canvas.ellipse(*place, (34.0 * size, 36.0 * size), float(trunk.patient.fat_hu), soft_mm=3.0)
            canvas.ellipse(*place, (25.0 * size, 29.0 * size), kidney, turn_rad=0.4 * side, soft_mm=1.5)
            hilum = (place[0] - side * 9.0, place[1] - 3.0)
            canvas.ellipse(*hilum, (10.0 * size, 9.0 * size), -60.0, soft_mm=3.0, strength=0.8)


def paint_mediastinum(canvas: Canvas, trunk: Trunk, here: Section) -> None:
    """Heart, aortic arch, trachea with its carina at T5, oesophagus, breastbone's backing."""
    blood, level, x0, y0 = trunk.patient.blood_hu, here.level, here.x_mm, here.y_mm
    deep, front_y = here.half_depth_mm, here.front_y_mm
    size = float(np.clip(1.0 - ((level - LEVELS.index("T8") - 0.6) / 2.7) ** 2, 0.0, 1.0)) ** 0.5
    if size > 0.1:
        radii = (56.0 * size * trunk.patient.girth**0.5, 44.0 * size)
        place = (x0 + 16.0, front_y + 0.72 * deep)
        canvas.ellipse(*place, (radii[0] + 7, radii[1] + 6), -90.0, turn_rad=0.45, soft_mm=3.0)
        canvas.ellipse(*place, radii, blood, turn_rad=0.45, soft_mm=2.0)
    if LEVELS.index("T1") <= level < LEVELS.index("T6"):
        upper = float(np.clip((level - 3.0) / 2.0, 0.3, 1.0))
        canvas.ellipse(x0 + 2.0, front_y + deep * 0.75, (34.0 * upper, 30.0 * upper), 15.0, soft_mm=9.0)
        canvas.ellipse(x0 - 16.0, front_y + deep * 0.7, (9.0, 9.0), blood)
        canvas.ellipse(x0 + 2.0, front_y + deep * 0.6, (15.0 * upper, 14.0 * upper), blood)
    if level < LEVELS.index("T8"):
        _paint_airway(canvas, here)
    gullet = (x0 + (10.0 if level > 10 else 6.0), y0 - 24.0 - 8.0 * float(np.clip(level - 9.5, 0.0, 2.0)))
    if level < LEVELS.index("T12"):
        canvas.ellipse(*gullet, (9.0, 6.0), 36.0, soft_mm=1.6)


def _paint_airway(canvas: Canvas, here: Section) -> None:
    past = here.level - LEVELS.index("T5")
    y = here.y_mm - (38.0 if here.level > 3 else 30.0)
    apart = 0.0 if past < 0 else 9.0 + 13.0 * past
    bore = 9.0 if past < 0 else 6.5
    for side in (0.0,) if past < 0 else (-1.0, 1.0):
        canvas.ellipse(here.x_mm + side * apart, y, (bore + 2.0, bore + 1.8), 30.0)
        canvas.ellipse(here.x_mm + side * apart, y, (bore, bore), -990.0)


def paint_lungs(canvas: Canvas, trunk: Trunk, here: Section, cage: Field, rng: np.random.Generator) -> None:
    """Both lungs: inside the cage, outside the mediastinum, above the diaphragm."""
    if here.level < LEVELS.index("T1") + 0.5 or here.z_mm < min(trunk.dome_mm) - _RECESS_MM - 10.0:
        return
    grains = [texture(cage.shape, rng, grain_px=grain_px) for grain_px in (6.0, 4.5, 10.0)]
    window = here.cage_window(canvas)
    if window is None:
        return
    canvas, cage = canvas.part(window), cage[window]
    x, y = canvas.x - np.float32(here.x_mm), canvas.y - np.float32(here.y_mm)
    row = np.clip(y + np.float32(256.5), 0, 383).astype(np.intp)
    value = _lung(trunk, cage, y, [grain[window] for grain in grains])
    for sign, bound, dome in zip((-1.0, 1.0), _lung_borders(trunk, here), trunk.dome_mm, strict=True):
        lung = np.maximum(cage + np.float32(3.0), bound[row] - x * np.float32(sign))
        if here.z_mm < dome + 5.0:
            px = (x * np.float32(sign) - np.float32(here.half_width_mm * 0.45)) * np.float32(
                1 / (here.half_width_mm * 0.52)
            )
            py = (y - np.float32(here.gutter_mm - here.half_depth_mm * 1.15)) * np.float32(
                1 / (here.half_depth_mm * 1.05)
            )
            floor = np.float32(dome) - np.float32(_RECESS_MM) * (px * px + py * py)
            lung = np.maximum(lung, (floor - np.float32(here.z_mm)) * np.float32(0.35))
        if trunk.effusion_mm:
            surface = np.float32(28.0 - trunk.effusion_mm)
            canvas.lay(inside(np.maximum(lung, surface - y), 1.5), 12.0)
            lung = np.maximum(lung, y - surface)
        canvas.lay(inside(lung, 1.3), value)


def _lung(trunk: Trunk, cage: Field, y: Field, grains: Sequence[Field]) -> Field:
    """Lung tissue: denser towards the back, with small and large vessels."""
    value = np.float32(trunk.lung_hu) + np.float32(30.0) * grains[0]
    value += np.float32(90.0) * np.exp(np.minimum(cage, 0.0) * np.float32(0.12)) * (y > 0)
    for spots, rare in zip(grains[1:], (2.1, 2.3), strict=True):
        value += np.clip((spots - np.float32(rare)) * np.float32(2.5), 0.0, 1.0) * (np.float32(30.0) - value)
    return value


def _lung_borders(trunk: Trunk, here: Section) -> tuple[Field, Field]:
    """How far from the midline the right and the left lung begin, for every y from −256 to 127 mm."""
    heart = (
        float(np.clip(1.0 - ((here.level - LEVELS.index("T8") - 0.6) / 3.0) ** 2, 0.0, 1.0))
        * trunk.patient.girth
    )
    body = trunk.patient.vertebra("T9").width_mm / 2
    deep = here.half_depth_mm
    knots = [-2.0 * deep, -1.2 * deep, -50.0, -28.0, -8.0, 8.0, 20.0, 34.0]
    low = here.level > 11  # below T9 the aorta comes forward and the lungs end behind the crura
    behind = [body + 7, body + 21, body + 36]
    right = [12.0, 24 + 14 * heart, 22 + 10 * heart, 22.0 if low else 18.0, body + 3, *behind]
    left = [12.0, 26 + 46 * heart, 24 + 30 * heart, 24.0 if low else 34.0, body + 5, *behind]
    table = np.arange(-256, 128, dtype=np.float32)
    return np.interp(table, knots, right).astype(np.float32), np.interp(table, knots, left).astype(np.float32)


def paint_beside_spine(canvas: Canvas, trunk: Trunk, here: Section, rng: np.random.Generator) -> None:
    """Crura of the diaphragm from T11 down, psoas from T12 down."""
    x0, y0, half = here.x_mm, here.y_mm, trunk.patient.vertebra("T12").width_mm / 2
    down = here.level - LEVELS.index("T11") - 0.3
    window = canvas.around(x0, y0 - 15.0, 60.0)
    if down > 0 and window is not None:
        fork, rise = np.abs(canvas.x[window] - np.float32(x0 + 3)), canvas.y[window] - np.float32(y0)
        crus = capsule_mm(fork, rise, (half + 5.0, 8.0), (half + 1.0, -16.0), 2.4, 3.2)
        crus = np.minimum(crus, capsule_mm(fork, rise, (half + 1.0, -16.0), (7.0, -46.0), 3.2, 2.6))
        canvas.lay(inside(crus, 2.0) * np.float32(min(down, 1.0)), trunk.patient.muscle_hu - 6.0, window)
    below = here.level - LEVELS.index("T12") - 0.4
    if below <= 0:
        return
    size = min(0.35 + 0.3 * below, 1.1) * (trunk.patient.muscle_area_cm2 / 50.0) ** 0.5
    for side in (-1.0, 1.0):
        x, y = x0 + side * (half + 5.0 + 7.0 * size), y0 + 9.0
        window = canvas.around(x, y, 30.0)
        if window is not None:
            dx, dy = canvas.x[window] - np.float32(x), canvas.y[window] - np.float32(y)
            belly = ellipse_mm(dx, dy, (12 * size, 16 * size))
            canvas.lay(inside(belly, 2.0), meat(trunk, belly.shape, rng), window)


def paint_vessels(canvas: Canvas, trunk: Trunk, here: Section, bone: float) -> None:
    """Descending aorta with calcium in its wall, inferior vena cava, azygos vein."""
    patient, level = trunk.patient, here.level
    if level < LEVELS.index("T4"):
        return
    radius = patient.aorta_radius_mm * (1.0 if level < 12 else 0.9)
    ahead = patient.vertebra("T10").depth_mm / 2 + radius
    knots = [LEVELS.index(name) for name in ("T4", "T8", "T10", "T12", "L2")]
    aside = float(np.interp(level, knots, (30.0, 27.0, 20.0, 8.0, 5.0)))
    before = float(np.interp(level, knots, (5.0, 11.0, ahead - 2, ahead + 3, ahead + 4)))
    x, y = here.x_mm + aside + trunk.aorta_shift_mm[0], here.y_mm - before + trunk.aorta_shift_mm[1]
    canvas.ellipse(x, y, (radius + 3.5, radius + 3.5), patient.fat_hu + 20.0, soft_mm=2.5, strength=0.8)
    canvas.ellipse(x, y, (radius, radius), patient.blood_hu, soft_mm=1.4)
    window = canvas.around(x, y, radius + 3)
    plaques = [plaque for plaque in trunk.calcium if abs(plaque[2] - here.z_mm) < plaque[3]]
    if plaques and window is not None:
        dx, dy = canvas.x[window] - np.float32(x), canvas.y[window] - np.float32(y)
        wall = np.abs(np.sqrt(dx * dx + dy * dy) - np.float32(radius - 0.6)) - np.float32(0.9)
        turn = np.arctan2(dy, dx)
        for angle, half, z_mm, length in plaques:
            width = half * (1 - ((here.z_mm - z_mm) / length) ** 2)
            aside_mm = np.abs(
                np.remainder(turn - np.float32(angle - np.pi), np.float32(2 * np.pi)) - np.float32(np.pi)
            )
            plaque = np.maximum(wall, (aside_mm - np.float32(width)) * np.float32(radius))
            canvas.lay(inside(plaque, 1.2), (350.0 + 400.0 * half) * bone, window)
    canvas.ellipse(
        here.x_mm - 4.0, here.y_mm - ahead + radius - 3.0, (3.0, 2.6), patient.blood_hu, soft_mm=1.5
    )
    if level > LEVELS.index("T10"):
        cava = (here.x_mm - 24.0, here.y_mm - ahead - 5.0)
        canvas.ellipse(*cava, (13.0, 9.5), patient.blood_hu, soft_mm=2.0, turn_rad=0.3)
