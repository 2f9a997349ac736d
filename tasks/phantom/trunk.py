"""Paints everything about the spine: skin, fat, muscle, rib cage, lungs, mediastinum, abdomen, great vessels.

Lengths are by level, interpolated along the spine; what is random comes from the patient's seed, so that
neighbouring slices agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.phantom.canvas import Canvas, Field, capsule_mm, ellipse_mm, inside, texture
from tasks.phantom.patient import LEVELS, Patient

# Half width and half depth of the inner rib cage, half width of the skin, by level (mm, average build); drawn
# from textbook cross-sections.
_KNOTS = tuple(
    LEVELS.index(level) for level in ("C6", "C7", "T1", "T2", "T4", "T6", "T8", "T10", "T12", "L2", "L4")
)
_CAGE_WIDTH = (20.0, 34.0, 52.0, 70.0, 98.0, 113.0, 122.0, 128.0, 130.0, 126.0, 122.0)
_CAGE_DEPTH = (16.0, 22.0, 32.0, 42.0, 60.0, 74.0, 84.0, 91.0, 94.0, 92.0, 90.0)
_SKIN_WIDTH = (68.0, 120.0, 160.0, 172.0, 165.0, 148.0, 146.0, 148.0, 148.0, 146.0, 146.0)
_BACK_MM = 60.0  # from the body's axis to the deep side of the fat of the back
_GUTTER_MM = 31.0  # from the body's axis to the back of the paravertebral gutter
_RIB_STEP_MM = 0.55  # how fast a rib falls on its way round, millimetres per millimetre of arc at the back


@dataclass(frozen=True, slots=True)
class Trunk:
    """A patient's soft parts and ribs, ready to be painted at any level.

    Attributes:
        level_z: z of the levels' centres, ascending.
        lung_hu: mean attenuation of lung.
        muscle_hu: muscle with its fat mixed in is this and less.
        aorta_shift_mm: how far the aorta wanders from its usual place.
        dome_mm: z of the tops of the right and left dome.
    """

    patient: Patient
    level_z: tuple[float, ...]
    spine_x: tuple[float, ...]
    spine_y: tuple[float, ...]
    lung_hu: float
    aorta_shift_mm: tuple[float, float]
    dome_mm: tuple[float, float]
    organ_hu: tuple[float, float, float]
    effusion_mm: float
    back_mm: float
    squareness: float

    @classmethod
    def of(cls, patient: Patient) -> Trunk:
        """The trunk that goes with a patient."""
        rng = np.random.default_rng([patient.seed, 7])
        upwards = patient.vertebrae[::-1]
        return cls(
            patient=patient,
            level_z=tuple(v.z_mm for v in upwards),
            spine_x=tuple(v.x_mm for v in upwards),
            spine_y=tuple(v.y_mm for v in upwards),
            lung_hu=float(rng.normal(-855.0, 30.0)),
            aorta_shift_mm=(float(rng.normal(0, 5.0)), float(rng.normal(0, 3.0))),
            dome_mm=(patient.diaphragm_mm, patient.diaphragm_mm - float(rng.uniform(2.0, 22.0))),
            organ_hu=(float(rng.normal(58, 7)), float(rng.normal(48, 4)), float(rng.normal(32, 4))),
            effusion_mm=float(rng.uniform(6.0, 25.0)) if rng.random() < 0.06 else 0.0,
            back_mm=_BACK_MM * float(rng.normal(1.0, 0.05)) + 0.25 * (patient.muscle_area_cm2 - 50.0),
            squareness=float(rng.uniform(0.45, 0.8)),
        )

    def axis(self, z_mm: float) -> tuple[float, float]:
        """x and y of the spine's axis."""
        return float(np.interp(z_mm, self.level_z, self.spine_x)), float(
            np.interp(z_mm, self.level_z, self.spine_y)
        )

    def level(self, z_mm: float) -> float:
        """Place along the spine as a fractional index of `LEVELS`."""
        indices = np.arange(len(LEVELS), dtype=float)[::-1]
        return float(np.interp(z_mm, self.level_z, indices))


def paint_trunk(canvas: Canvas, trunk: Trunk, z_mm: float, bone: float, rng: np.random.Generator) -> None:
    """Paint the trunk at `z_mm` on an empty canvas; the spine goes over it.

    Args:
        bone: factor of bone's attenuation at the scan's tube voltage.
        rng: for textures.
    """
    patient, level = trunk.patient, trunk.level(z_mm)
    x0, y0 = trunk.axis(z_mm)
    wide = float(np.interp(level, _KNOTS, _CAGE_WIDTH)) * patient.girth
    deep = float(np.interp(level, _KNOTS, _CAGE_DEPTH)) * patient.girth
    gutter = _GUTTER_MM if level > 4 else _GUTTER_MM - 4 * (4 - level)
    x, y = canvas.x - np.float32(x0), canvas.y - np.float32(y0)
    cage = _round_mm(x, y - np.float32(gutter - deep), (wide, deep), trunk.squareness)
    _paint_wall(canvas, trunk, level, (x, y), cage, (wide, deep, gutter), rng)
    bowels = np.float32(8.0) * texture(cage.shape, rng, grain_px=9.0)
    canvas.lay(inside(cage, 1.2), bowels + np.float32(patient.fat_hu + 8.0))
    _paint_abdomen(canvas, trunk, z_mm, level, (x0, y0), (wide, deep), rng)
    _paint_mediastinum(canvas, trunk, level, (x0, y0), (wide, deep))
    _paint_lungs(canvas, trunk, z_mm, level, (x, y), cage, (wide, deep, gutter), rng)
    _paint_beside_spine(canvas, trunk, level, (x0, y0), rng)
    _paint_vessels(canvas, trunk, level, (x0, y0), rng, bone)
    _paint_ribs(canvas, trunk, z_mm, (x, y), cage, bone)


def _round_mm(x: Field, y: Field, radii_mm: tuple[float, float], squareness: float) -> Field:
    """Signed distance, about, to an ellipse with fuller corners (a squircle)."""
    px, py = np.square(x * np.float32(1 / radii_mm[0])), np.square(y * np.float32(1 / radii_mm[1]))
    k = np.sqrt(
        np.maximum(px + py - np.float32(squareness**2) * np.minimum(px, 1.0) * np.minimum(py, 1.0), 0.0)
    )
    shrink = np.sqrt(
        px * np.float32(1 / radii_mm[0] ** 2) + py * np.float32(1 / radii_mm[1] ** 2)
    ) + np.float32(1e-6)
    distance: Field = (k - 1) * np.maximum(k, np.float32(0.3)) / shrink
    return distance


def _meat(trunk: Trunk, shape: tuple[int, int], rng: np.random.Generator, more_fat: float = 0.0) -> Field:
    """Muscle with its strands of fat: a texture whose upper tail is fat."""
    patient = trunk.patient
    strands = texture(shape, rng, grain_px=4.0, stretch=0.5)
    part = min(patient.muscle_fat + more_fat, 0.7)
    # about half of the fat lies in strands that can be seen, the rest dims the muscle evenly
    lean = patient.muscle_hu - 0.5 * part * (patient.muscle_hu - patient.fat_hu)
    share = np.clip((strands - np.float32(1.6 - 3.2 * part)) * np.float32(0.7), 0.0, 1.0)
    value: Field = np.float32(lean) + share * np.float32(patient.fat_hu - lean)
    return value


def _paint_wall(
    canvas: Canvas,
    trunk: Trunk,
    level: float,
    place: tuple[Field, Field],
    cage: Field,
    cage_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> None:
    """Skin, the fat under it, and the muscles outside the ribs and beside the spinous processes."""
    patient, (x, y), (wide, deep, gutter) = trunk.patient, place, cage_mm
    fat = patient.subcutaneous_mm
    outer_wide = max(
        float(np.interp(level, _KNOTS, _SKIN_WIDTH)) * patient.girth + 0.7 * fat, wide + 14 + 0.8 * fat
    )
    back = trunk.back_mm + 0.75 * fat
    front = gutter - 2 * deep - 16.0 - 0.8 * fat
    middle, half = (back + front) / 2, (back - front) / 2
    skin = _round_mm(x, y - np.float32(middle), (outer_wide, half), trunk.squareness)
    canvas.lay(inside(skin, 1.5), 20.0)
    strands = np.float32(6.0) * texture(skin.shape, rng, grain_px=6.0, stretch=0.4)
    canvas.lay(inside(skin + np.float32(2.0), 1.5), strands + np.float32(patient.fat_hu))

    thick = 12.0 if level > 6 else 22.0
    area = patient.muscle_area_cm2 / 50.0
    belly = (33.0 * area**0.5, 15.5 * area**0.5)
    sides = np.abs(x)
    muscle = np.maximum(cage - np.float32(thick), skin + np.float32(2.0 + 0.55 * fat))
    erector = ellipse_mm(
        sides - np.float32(belly[0] * 0.9), y - np.float32(trunk.back_mm - belly[1] - 2.0), belly
    )
    inner = np.maximum(sides - 32.0, np.abs(y - np.float32(trunk.back_mm * 0.55)) - np.float32(22.0))
    muscle = np.minimum(muscle, np.minimum(erector, inner))
    cover = inside(np.maximum(muscle, skin + np.float32(3.0)), 2.0)
    canvas.lay(cover, _meat(trunk, muscle.shape, rng))
    cleft = capsule_mm(sides, y, (1.5, trunk.back_mm - 20.0), (2.5, trunk.back_mm + 4.0), 1.2, 2.5)
    canvas.lay(inside(cleft, 2.5) * cover * np.float32(0.7), float(patient.fat_hu + 15.0))


def _paint_abdomen(
    canvas: Canvas,
    trunk: Trunk,
    z_mm: float,
    level: float,
    centre: tuple[float, float],
    cage_mm: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    """Liver, spleen, stomach, kidneys: what lies under the diaphragm (the lungs are painted over it)."""
    (x0, y0), (wide, deep) = centre, cage_mm
    liver, spleen, kidney = trunk.organ_hu
    if level < LEVELS.index("T7"):
        return
    low = LEVELS.index("T12")
    shrink = float(np.clip(1.15 - 0.13 * max(level - low, 0.0), 0.3, 1.0))
    middle_y = y0 + _GUTTER_MM - deep
    grain = np.float32(5.0) * texture(canvas.hu.shape, rng, grain_px=5.0)
    x, y = canvas.x - np.float32(x0), canvas.y - np.float32(middle_y)
    lobe = ellipse_mm(x + np.float32(wide * 0.48), y, (wide * 0.52 * shrink, deep * 0.93 * shrink), 0.15)
    left_lobe = ellipse_mm(
        x - np.float32(wide * 0.1), y + np.float32(deep * 0.5), (wide * 0.5, deep * 0.33 * shrink)
    )
    canvas.lay(inside(np.minimum(lobe, left_lobe), 3.0), grain + np.float32(liver))
    pouch = ellipse_mm(x - np.float32(wide * 0.45), y + np.float32(deep * 0.3), (wide * 0.33, deep * 0.42))
    canvas.lay(inside(pouch, 2.5), grain + np.float32(28.0))
    rear = ellipse_mm(
        x - np.float32(wide * 0.68), y - np.float32(deep * 0.45), (wide * 0.2, deep * 0.4 * shrink), -0.5
    )
    canvas.lay(inside(rear, 2.0), grain + np.float32(spleen))
    for side, top in ((-1.0, low + 0.4), (1.0, low - 0.1)):
        size = float(np.clip(1.0 - ((level - top - 1.6) / 1.8) ** 2, 0.0, 1.0)) ** 0.5
        if size > 0.1:
            place = (x0 + side * (50.0 * trunk.patient.girth**0.5 + 4.0), y0 + 4.0)
            canvas.ellipse(*place, (34.0 * size, 36.0 * size), float(trunk.patient.fat_hu), soft_mm=3.0)
            canvas.ellipse(*place, (25.0 * size, 29.0 * size), kidney, turn_rad=0.4 * side, soft_mm=1.5)
            canvas.ellipse(
                place[0] - side * 9.0,
                place[1] - 3.0,
                (10.0 * size, 9.0 * size),
                -60.0,
                soft_mm=3.0,
                strength=0.8,
            )


def _paint_mediastinum(
    canvas: Canvas, trunk: Trunk, level: float, centre: tuple[float, float], cage_mm: tuple[float, float]
) -> None:
    """Heart, arch, trachea with its carina at T5, oesophagus."""
    (x0, y0), (wide, deep), blood = centre, cage_mm, trunk.patient.blood_hu
    front_y = y0 + _GUTTER_MM - 2 * deep
    heart_at = LEVELS.index("T8") + 0.6
    size = float(np.clip(1.0 - ((level - heart_at) / 2.7) ** 2, 0.0, 1.0)) ** 0.5
    if size > 0.1:
        radii = (56.0 * size * trunk.patient.girth**0.5, 44.0 * size)
        place = (x0 + 16.0, front_y + 0.36 * 2 * deep)
        canvas.ellipse(*place, (radii[0] + 7, radii[1] + 6), -90.0, turn_rad=0.45, soft_mm=3.0)
        canvas.ellipse(*place, radii, blood, turn_rad=0.45, soft_mm=2.0)
    if LEVELS.index("T1") <= level < LEVELS.index("T6"):
        upper = float(np.clip((level - 3.0) / 2.0, 0.3, 1.0))
        canvas.ellipse(x0 + 2.0, front_y + deep * 0.75, (34.0 * upper, 30.0 * upper), 15.0, soft_mm=9.0)
        canvas.ellipse(x0 - 16.0, front_y + deep * 0.7, (9.0, 9.0), blood)
        canvas.ellipse(x0 + 2.0, front_y + deep * 0.6, (15.0 * upper, 14.0 * upper), blood)
    if level < LEVELS.index("T8"):
        _paint_airway(canvas, level, x0, y0)
    gullet = (
        x0 + 6.0 + (4.0 if level > 10 else 0.0),
        y0 - (24.0 + 8.0 * float(np.clip(level - 9.5, 0.0, 2.0))),
    )
    if level < LEVELS.index("T12"):
        canvas.ellipse(*gullet, (9.0, 6.0), 36.0, soft_mm=1.6)


def _paint_airway(canvas: Canvas, level: float, x0: float, y0: float) -> None:
    carina = LEVELS.index("T5")
    y = y0 - 38.0 if level > 3 else y0 - 30.0
    if level < carina:
        canvas.ellipse(x0 - 1.0, y, (10.5, 10.5), 30.0)
        canvas.ellipse(x0 - 1.0, y, (8.5, 9.0), -990.0)
        return
    apart = 9.0 + 13.0 * (level - carina)
    for side in (-1.0, 1.0):
        canvas.ellipse(x0 + side * apart, y, (9.0, 7.5), 30.0)
        canvas.ellipse(x0 + side * apart, y, (7.0, 5.8), -985.0)


def _paint_lungs(
    canvas: Canvas,
    trunk: Trunk,
    z_mm: float,
    level: float,
    place: tuple[Field, Field],
    cage: Field,
    cage_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> None:
    """Both lungs: inside the cage, outside the mediastinum, above the diaphragm."""
    (x, y), (wide, deep, _) = place, cage_mm
    apex = LEVELS.index("T1") + 0.5
    if level < apex:
        return
    width = trunk.patient.vertebra("T9").width_mm / 2
    heart = (
        float(np.clip(1.0 - ((level - LEVELS.index("T8") - 0.6) / 3.0) ** 2, 0.0, 1.0)) * trunk.patient.girth
    )
    knots = np.array([-2.0 * deep, -1.2 * deep, -50.0, -28.0, -8.0, 8.0, 20.0, 34.0], np.float32)
    right = np.array(
        [12.0, 24 + 14 * heart, 22 + 10 * heart, 18.0, width + 3, width + 7, width + 21, width + 36]
    )
    left = np.array(
        [12.0, 26 + 46 * heart, 24 + 30 * heart, 34.0, width + 5, width + 7, width + 21, width + 36]
    )
    if level > 11:  # below T9 the aorta comes forward and the lungs end behind the crura
        left[3], right[3] = 24.0, 22.0
    table = np.arange(-256, 128, dtype=np.float32)
    row = np.clip(y + np.float32(256.5), 0, 383).astype(np.intp)
    grain = texture(cage.shape, rng, grain_px=6.0)
    spots = texture(cage.shape, rng, grain_px=4.5)
    value = np.float32(trunk.lung_hu) + np.float32(30.0) * grain
    value += np.float32(90.0) * np.exp(np.minimum(cage, 0.0) * np.float32(0.12)) * (y > 0)
    value += np.clip((spots - np.float32(2.1)) * np.float32(2.5), 0.0, 1.0) * np.float32(820.0)
    for sign, bound, dome in ((-1.0, right, trunk.dome_mm[0]), (1.0, left, trunk.dome_mm[1])):
        edge = np.interp(table, knots, bound).astype(np.float32)[row]
        lung = np.maximum(cage + np.float32(3.0), edge - x * np.float32(sign))
        if z_mm < dome + 5.0:
            px = (x * np.float32(sign) - np.float32(wide * 0.45)) * np.float32(1 / (wide * 0.52))
            py = (y - np.float32(_GUTTER_MM - deep * 1.15)) * np.float32(1 / (deep * 1.05))
            floor = np.float32(dome) - np.float32(105.0) * (px * px + py * py)
            lung = np.maximum(lung, (floor - np.float32(z_mm)) * np.float32(0.35))
        if trunk.effusion_mm:
            water = np.maximum(lung, np.float32(28.0 - trunk.effusion_mm) - y)
            canvas.lay(inside(water, 1.5), 12.0)
            lung = np.maximum(lung, y - np.float32(28.0 - trunk.effusion_mm))
        canvas.lay(inside(lung, 1.3), value)


def _paint_beside_spine(
    canvas: Canvas, trunk: Trunk, level: float, centre: tuple[float, float], rng: np.random.Generator
) -> None:
    """Crura from T11 down, psoas from T12 down."""
    x0, y0 = centre
    half = trunk.patient.vertebra("T12").width_mm / 2
    down = level - LEVELS.index("T11") - 0.3
    if down > 0:
        window = canvas.around(x0, y0 - 15.0, 60.0)
        if window is not None:
            fork, rise = np.abs(canvas.x[window] - np.float32(x0 + 3)), canvas.y[window] - np.float32(y0)
            crus = capsule_mm(fork, rise, (half + 5.0, 8.0), (half + 1.0, -16.0), 2.4, 3.2)
            crus = np.minimum(crus, capsule_mm(fork, rise, (half + 1.0, -16.0), (7.0, -46.0), 3.2, 2.6))
            canvas.lay(inside(crus, 2.0) * np.float32(min(down, 1.0)), trunk.patient.muscle_hu - 6.0, window)
    below = level - LEVELS.index("T12") - 0.4
    if below > 0:
        size = min(0.35 + 0.3 * below, 1.1) * (trunk.patient.muscle_area_cm2 / 50.0) ** 0.5
        for side in (-1.0, 1.0):
            place = (x0 + side * (half + 5.0 + 7.0 * size), y0 + 9.0)
            window = canvas.around(*place, 30.0)
            if window is None:
                continue
            belly = ellipse_mm(
                canvas.x[window] - np.float32(place[0]),
                canvas.y[window] - np.float32(place[1]),
                (12 * size, 16 * size),
            )
            canvas.lay(inside(belly, 2.0), _meat(trunk, belly.shape, rng, -0.05), window)


def _paint_vessels(
    canvas: Canvas,
    trunk: Trunk,
    level: float,
    centre: tuple[float, float],
    rng: np.random.Generator,
    bone: float,
) -> None:
    """Descending aorta with calcium in its wall, inferior vena cava, azygos vein."""
    (x0, y0), patient = centre, trunk.patient
    if level < LEVELS.index("T4"):
        return
    radius = patient.aorta_radius_mm * (1.0 if level < 12 else 0.9)
    forward = patient.vertebra("T10").depth_mm / 2 + radius
    knots = [LEVELS.index(name) for name in ("T4", "T8", "T10", "T12", "L2")]
    x = x0 + float(np.interp(level, knots, (30.0, 27.0, 20.0, 8.0, 5.0))) + trunk.aorta_shift_mm[0]
    y = (
        y0
        - float(np.interp(level, knots, (5.0, 11.0, forward - 2, forward + 3, forward + 4)))
        + trunk.aorta_shift_mm[1]
    )
    canvas.ellipse(x, y, (radius + 3.5, radius + 3.5), patient.fat_hu + 20.0, soft_mm=2.5, strength=0.8)
    canvas.ellipse(x, y, (radius, radius), patient.blood_hu + 3.0, soft_mm=1.4)
    window = canvas.around(x, y, radius + 3)
    if patient.calcified > 0.03 and window is not None:
        dx, dy = canvas.x[window] - np.float32(x), canvas.y[window] - np.float32(y)
        wall = np.abs(np.sqrt(dx * dx + dy * dy) - np.float32(radius - 0.6))
        patchy = np.sin(3.0 * np.arctan2(dy, dx) + np.float32(level * 2.1 + patient.seed % 7)) - np.float32(
            1.0 - 1.6 * patient.calcified
        )
        canvas.lay(inside(wall - np.float32(0.9), 1.2) * (patchy > 0), 480.0 * bone, window)
    canvas.ellipse(x0 - 4.0, y0 - forward + radius - 3.0, (3.0, 2.6), patient.blood_hu, soft_mm=1.5)
    if level > LEVELS.index("T10"):
        canvas.ellipse(
            x0 - 24.0, y0 - forward - 5.0, (13.0, 9.5), patient.blood_hu, soft_mm=2.0, turn_rad=0.3
        )


def _paint_ribs(
    canvas: Canvas, trunk: Trunk, z_mm: float, place: tuple[Field, Field], cage: Field, bone: float
) -> None:
    """Ribs T1 to T12: heads at the bodies, necks to the transverse processes, shafts falling round the cage."""
    ribs = [v for v in trunk.patient.vertebrae if v.level.startswith("T")]
    (x, y), (x0, y0) = place, trunk.axis(z_mm)
    band = np.nonzero((cage > -2.0) & (cage < 11.0) & (np.abs(x) > 36.0))
    if len(band[0]):
        reach = np.abs(x[band])
        turn = np.arctan2(reach, y[band] + np.float32(55.0))
        starts = np.array([v.z_mm + 0.25 * v.height_mm for v in ribs][::-1], np.float32)
        ends = np.array([2.6, 2.6, 2.5, 2.5, 2.5, 2.4, 2.3, 2.2, 2.0, 1.8, 1.3, 0.9][::-1], np.float32)
        fall = np.float32(_RIB_STEP_MM * 95.0) * np.maximum(turn - np.float32(0.45), 0.0)
        height = np.float32(z_mm) + fall
        which = np.clip(np.searchsorted((starts[1:] + starts[:-1]) / 2, height), 0, len(starts) - 1)
        off = np.abs(height - starts[which])
        off += np.maximum(turn - ends[which], 0.0) * np.float32(60.0)
        section = np.sqrt(
            np.square(off * np.float32(1 / 1.7)) + np.square(cage[band] - np.float32(4.0))
        ) - np.float32(3.6)
        _lay_rib(canvas, band, section, trunk, bone)
    for vertebra in ribs:
        up = z_mm - vertebra.z_mm - 0.3 * vertebra.height_mm
        if abs(up) > 7.0:
            continue
        half = vertebra.width_mm / 2
        window = canvas.around(x0, y0 + 15.0, 62.0)
        if window is None:
            continue
        fork, back = np.abs(x[window]), y[window]
        thin = 0.25 * abs(up)
        elbow, shaft = (half + 15.0, 24.0), (half + 36.0, 35.0)
        neck = capsule_mm(fork, back, (half + 2.5, 9.0), elbow, 4.6 - thin, 3.4 - thin)
        neck = np.minimum(neck, capsule_mm(fork, back, elbow, shaft, 3.4 - thin, 3.8 - thin))
        _lay_rib(canvas, window, neck, trunk, bone)


def _lay_rib(
    canvas: Canvas,
    where: tuple[slice, slice] | tuple[np.ndarray, ...],
    section: Field,
    trunk: Trunk,
    bone: float,
) -> None:
    soft = canvas.pixel_mm + 0.25 * canvas.thickness_mm
    cover = inside(section, soft)
    shell = cover - inside(section + np.float32(1.1), soft)
    value = np.float32((90.0 + 0.6 * trunk.patient.density_hu) * bone) + shell * np.float32(650.0 * bone)
    part = canvas.hu[where]
    canvas.hu[where] = part + cover * (value - part)
