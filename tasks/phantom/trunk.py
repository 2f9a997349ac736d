"""A patient's soft parts: how wide the trunk is at each level, and its wall of skin, fat and muscle.

Lengths are by level, interpolated along the spine. What is random comes from the patient's seed, so that
neighbouring slices agree. Viscera and ribs have modules of their own; `paint_trunk` calls them in order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.phantom.canvas import Canvas, Field, Window, capsule_mm, ellipse_mm, inside, texture
from tasks.phantom.patient import Patient
from tasks.phantom.spine import LEVELS

# Half width and half depth of the inner rib cage, half width of the skin, by level, in mm, for an average
# build with the arms up; drawn after textbook cross-sections.
_KNOTS = tuple(
    LEVELS.index(level) for level in ("C6", "C7", "T1", "T2", "T4", "T6", "T8", "T10", "T12", "L2", "L4")
)
_CAGE_WIDTH = (20.0, 34.0, 52.0, 70.0, 98.0, 113.0, 122.0, 128.0, 130.0, 126.0, 122.0)
_CAGE_DEPTH = (16.0, 22.0, 32.0, 42.0, 60.0, 74.0, 84.0, 91.0, 94.0, 92.0, 90.0)
_SKIN_WIDTH = (68.0, 120.0, 160.0, 172.0, 165.0, 148.0, 146.0, 148.0, 148.0, 146.0, 146.0)
_BACK_MM = 60.0  # from the body's axis to the deep side of the fat of the back
_GUTTER_MM = 31.0  # from the body's axis to the back of the paravertebral gutter


@dataclass(frozen=True, slots=True)
class Trunk:
    """What is the same in all sections of one patient.

    Attributes:
        level_z, spine_x, spine_y: the spine's axis at the levels' centres, z ascending.
        lung_hu: mean attenuation of lung.
        organ_hu: liver, spleen, kidney.
        aorta_shift_mm: how far the aorta wanders from its usual place, x and y.
        calcium: plaques in the aortic wall: angle, half angle (rad), centre z and half length (mm).
        dome_mm: z of the tops of the right and left dome of the diaphragm.
        effusion_mm: depth of the pleural effusion, 0 for none.
        back_mm: from the spine's axis to the fat of the back.
        squareness: how full the corners of the trunk's outline are, 0 to 1.
        organ_scale: size of the abdominal organs against the average.
    """

    patient: Patient
    level_z: tuple[float, ...]
    spine_x: tuple[float, ...]
    spine_y: tuple[float, ...]
    lung_hu: float
    organ_hu: tuple[float, float, float]
    aorta_shift_mm: tuple[float, float]
    calcium: tuple[tuple[float, float, float, float], ...]
    dome_mm: tuple[float, float]
    effusion_mm: float
    back_mm: float
    squareness: float
    organ_scale: float

    @classmethod
    def of(cls, patient: Patient) -> Trunk:
        """The trunk that goes with a patient."""
        rng = np.random.default_rng([patient.seed, 7])
        upwards = patient.vertebrae[::-1]
        fatty = rng.random() < 0.2
        plaques = rng.uniform(
            (-np.pi, 0.05, -90.0, 3.0),
            (np.pi, 0.55, 160.0, 28.0),
            (int(rng.poisson(45 * patient.calcified)), 4),
        )
        return cls(
            patient=patient,
            level_z=tuple(v.z_mm for v in upwards),
            spine_x=tuple(v.x_mm for v in upwards),
            spine_y=tuple(v.y_mm for v in upwards),
            lung_hu=float(rng.normal(-855.0, 30.0)),
            organ_hu=(
                float(rng.normal(28 if fatty else 58, 8)),
                float(rng.normal(48, 4)),
                float(rng.normal(32, 4)),
            ),
            aorta_shift_mm=(float(rng.normal(0, 5.0)), float(rng.normal(0, 3.0))),
            calcium=tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in plaques),
            dome_mm=(patient.diaphragm_mm, patient.diaphragm_mm - float(rng.uniform(2.0, 22.0))),
            effusion_mm=float(rng.uniform(6.0, 25.0)) if rng.random() < 0.06 else 0.0,
            back_mm=_BACK_MM * float(rng.normal(1.0, 0.05)) + 0.25 * (patient.muscle_area_cm2 - 50.0),
            squareness=float(rng.uniform(0.45, 0.8)),
            organ_scale=float(np.clip(rng.normal(1.0, 0.1), 0.7, 1.3)),
        )

    def section(self, z_mm: float) -> Section:
        """Where things are at one height."""
        level = float(np.interp(z_mm, self.level_z, np.arange(len(LEVELS), dtype=float)[::-1]))
        girth = self.patient.girth
        return Section(
            z_mm=z_mm,
            level=level,
            x_mm=float(np.interp(z_mm, self.level_z, self.spine_x)),
            y_mm=float(np.interp(z_mm, self.level_z, self.spine_y)),
            half_width_mm=float(np.interp(level, _KNOTS, _CAGE_WIDTH)) * girth,
            half_depth_mm=float(np.interp(level, _KNOTS, _CAGE_DEPTH)) * girth,
            skin_width_mm=float(np.interp(level, _KNOTS, _SKIN_WIDTH)) * girth,
            gutter_mm=_GUTTER_MM - 4.0 * max(4.0 - level, 0.0),
        )


@dataclass(frozen=True, slots=True)
class Section:
    """The trunk's measures at one height.

    Attributes:
        level: place along the spine, as a fractional index of `LEVELS`.
        x_mm, y_mm: the spine's axis.
        half_width_mm, half_depth_mm: of the inner rib cage.
        skin_width_mm: half width of the skin without fat.
        gutter_mm: from the spine's axis back to the paravertebral gutter.
    """

    z_mm: float
    level: float
    x_mm: float
    y_mm: float
    half_width_mm: float
    half_depth_mm: float
    skin_width_mm: float
    gutter_mm: float

    @property
    def middle_y_mm(self) -> float:
        """Patient y of the middle of the rib cage."""
        return self.y_mm + self.gutter_mm - self.half_depth_mm

    @property
    def front_y_mm(self) -> float:
        """Patient y of the inner side of the breastbone."""
        return self.y_mm + self.gutter_mm - 2 * self.half_depth_mm

    def outline_mm(self, trunk: Trunk) -> tuple[float, float, float, float]:
        """x and y of the middle of the skin's outline, its half width and half depth."""
        fat = trunk.patient.subcutaneous_mm
        wide = max(self.skin_width_mm + 0.7 * fat, self.half_width_mm + 14 + 0.8 * fat)
        back = trunk.back_mm + 0.75 * fat
        front = self.gutter_mm - 2 * self.half_depth_mm - 16.0 - 0.8 * fat
        return self.x_mm, self.y_mm + (back + front) / 2, wide, (back - front) / 2

    def cage_mm(self, canvas: Canvas, squareness: float) -> Field:
        """Signed distance to the inner side of the rib cage."""
        x, y = canvas.x - np.float32(self.x_mm), canvas.y - np.float32(self.middle_y_mm)
        return rounded_mm(x, y, (self.half_width_mm, self.half_depth_mm), squareness)

    def cage_window(self, canvas: Canvas) -> Window | None:
        """The pixels about the rib cage."""
        return canvas.box(self.x_mm, self.middle_y_mm, self.half_width_mm, self.half_depth_mm)


def rounded_mm(x: Field, y: Field, radii_mm: tuple[float, float], squareness: float) -> Field:
    """Signed distance, about, to an ellipse with fuller corners (a squircle)."""
    px, py = np.square(x * np.float32(1 / radii_mm[0])), np.square(y * np.float32(1 / radii_mm[1]))
    corner = np.float32(squareness**2) * np.minimum(px, 1.0) * np.minimum(py, 1.0)
    k = np.sqrt(np.maximum(px + py - corner, 0.0))
    slope = np.sqrt(
        px * np.float32(1 / radii_mm[0] ** 2) + py * np.float32(1 / radii_mm[1] ** 2)
    ) + np.float32(1e-6)
    distance: Field = (k - 1) * np.maximum(k, np.float32(0.3)) / slope
    return distance


def meat(trunk: Trunk, shape: tuple[int, int], rng: np.random.Generator) -> Field:
    """Muscle with its strands and septa of fat, HU."""
    patient = trunk.patient
    part = patient.muscle_fat
    # about half of the fat lies in strands that can be seen, the rest dims the muscle evenly
    lean = patient.muscle_hu - 0.5 * part * (patient.muscle_hu - patient.fat_hu)
    strands = texture(shape, rng, grain_px=4.0, stretch=0.5)
    share = np.clip((strands - np.float32(1.7 - 3.2 * part)) * np.float32(0.7), 0.0, 1.0)
    septa = texture(shape, rng, grain_px=13.0, stretch=0.6)
    share += np.clip(np.float32(0.35 + 0.8 * part) - np.abs(septa) * np.float32(7.0), 0.0, 0.7)
    value: Field = np.float32(lean) + np.minimum(share, 1.0) * np.float32(patient.fat_hu - lean)
    return value


def paint_wall(canvas: Canvas, trunk: Trunk, here: Section, cage: Field, rng: np.random.Generator) -> None:
    """Skin, the fat under it, and the muscles outside the ribs and beside the spinous processes."""
    patient = trunk.patient
    fat = patient.subcutaneous_mm
    _, middle_y, wide, deep_skin = here.outline_mm(trunk)
    x = canvas.x - np.float32(here.x_mm)
    skin = rounded_mm(x, canvas.y - np.float32(middle_y), (wide, deep_skin), trunk.squareness)
    canvas.lay(inside(skin, 1.5), 20.0)
    strands = np.float32(6.0) * texture(skin.shape, rng, grain_px=6.0, stretch=0.4)
    canvas.lay(inside(skin + np.float32(2.0), 1.5), strands + np.float32(patient.fat_hu))

    area = (patient.muscle_area_cm2 / 50.0) ** 0.5
    belly = (33.0 * area, 15.5 * area)
    muscle = np.maximum(
        cage - np.float32(12.0 if here.level > 6 else 22.0), skin + np.float32(2.0 + 0.55 * fat)
    )
    reach = max(1.9 * belly[0], 32.0) + 4.0, max(2.0 * belly[1], 0.5 * trunk.back_mm) + 10.0
    window = canvas.box(here.x_mm, here.y_mm + 0.5 * trunk.back_mm, *reach)
    if window is not None:
        sides, y = np.abs(canvas.x[window] - np.float32(here.x_mm)), canvas.y[window] - np.float32(here.y_mm)
        erector = ellipse_mm(
            sides - np.float32(belly[0] * 0.9), y - np.float32(trunk.back_mm - belly[1] - 2.0), belly
        )
        deep = np.maximum(sides - 32.0, np.abs(y - np.float32(trunk.back_mm * 0.55)) - np.float32(22.0))
        muscle[window] = np.minimum(muscle[window], np.minimum(erector, deep))
    cover = inside(np.maximum(muscle, skin + np.float32(3.0)), 2.0)
    canvas.lay(cover, meat(trunk, muscle.shape, rng))
    if window is not None:
        cleft = capsule_mm(sides, y, (1.5, trunk.back_mm - 20.0), (2.5, trunk.back_mm + 4.0), 1.2, 2.5)
        part = inside(cleft, 2.5) * cover[window] * np.float32(0.7)
        canvas.lay(part, float(patient.fat_hu + 15.0), window)
