"""Who a generated patient is: anatomy from C6 to L4, bone density, muscle, and the label with its mechanism.

A generated cohort proves the machinery, never the medicine. Its anatomy is drawn from textbook ranges and its
label from the stated rule below; what a network learns here says nothing of how it does in people.

How the label comes about. A patient's vertebral density (trabecular HU at L1, 120 kVp) falls with age and
scatters widely. The dual-energy T-score that decides the label sees the same bone through other eyes: it
adds the cortex, is lifted falsely by osteophytes and sclerosis, and has an error of its own. So density
explains most of the label and never all of it. Muscle is thinner and fattier in the patients with little
bone, on average, and does not decide the label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks.phantom.spine import DENSITY_RANGE_HU, LEVELS, Vertebra, sample_spine

Sex = Literal["F", "M"]

MODEL_LEVELS: tuple[str, ...] = ("T8", "T9", "T10", "T11", "T12", "L1", "L2")
"""The levels from which the model's crops are taken."""

OSTEOPOROSIS_T_SCORE = -2.5
"""Bone density this many standard deviations below young adults' is osteoporosis (WHO, 1994)."""

# The label's mechanism, in the units of the T-score (see the module's docstring). The threshold of 110 HU is
# Pickhardt 2013's specific one; at 42 HU to a unit the label is rare above 180 HU and the rule below 60 HU.
_HU_AT_THRESHOLD = 110.0
_HU_PER_T = 42.0
_T_ERROR = 0.9
_T_PER_CORTEX_SD = 0.35
_T_PER_DEGENERATION = 0.5


@dataclass(frozen=True, slots=True)
class Patient:
    """A generated person.

    Attributes:
        seed: everything about the patient that is not named here follows from it.
        density_hu: trabecular HU at L1, 120 kVp, before the levels scatter.
        t_score, osteoporosis: the truth to learn.
        muscle_area_cm2: erector spinae and psoas, both sides, at T12.
        muscle_fat: part of that muscle that is fat, 0 to 1.
        subcutaneous_mm: thickness of the fat under the skin of the back.
        girth: 1 for a trunk of average width and depth.
        blood_hu: 30 to 55 unenhanced; contrast medium raises it.
        aorta_radius_mm, calcified: calcified part of the aortic wall, 0 to 1.
        basivertebral: how plain the basivertebral vein is, 0 to 1.
        diaphragm_mm: z of the top of the right dome.
        vertebrae: from C6 down to L4.
    """

    seed: int
    age_years: int
    sex: Sex
    height_m: float
    bmi: float
    density_hu: float
    t_score: float
    osteoporosis: bool
    muscle_area_cm2: float
    muscle_fat: float
    muscle_hu: float
    fat_hu: float
    subcutaneous_mm: float
    girth: float
    blood_hu: float
    aorta_radius_mm: float
    calcified: float
    basivertebral: float
    trabecular_contrast: float
    diaphragm_mm: float
    vertebrae: tuple[Vertebra, ...]

    def vertebra(self, level: str) -> Vertebra:
        """The vertebra of a level of `LEVELS`.

        Raises:
            ValueError: when `level` is none of them.
        """
        if level not in LEVELS:
            raise ValueError(f"there is no level {level!r}: a patient has {', '.join(LEVELS)}")
        return self.vertebrae[LEVELS.index(level)]


def sample_patient(
    rng: np.random.Generator,
    *,
    age_years: int | None = None,
    sex: Sex | None = None,
    density_hu: float | None = None,
) -> Patient:
    """Draw a patient; what is given is kept, the rest is drawn to go with it.

    Half of the cohort has the density of its age and sex (Jang 2019: 226 ± 44 HU under 30 years, 2.5 HU less
    a year), the other half is spread evenly over `DENSITY_RANGE_HU`, so that no density is rare.
    """
    seed = int(rng.integers(2**31))
    age = int(rng.integers(50, 93)) if age_years is None else age_years
    chosen: Sex = sex or ("F" if rng.random() < 0.55 else "M")
    density = _sample_density(rng, age) if density_hu is None else density_hu
    density = float(np.clip(density, *DENSITY_RANGE_HU))
    male = chosen == "M"
    height = float(np.clip(rng.normal(1.75 if male else 1.62, 0.07), 1.42, 2.0))
    bmi = float(np.clip(rng.gamma(22.0, 27.0 / 22.0), 16.5, 45.0))

    cortex_sd = float(rng.normal())
    degeneration = float(np.clip(rng.beta(1.2, 3.0) + (age - 65) / 120, 0.0, 1.0))
    t_score = (
        OSTEOPOROSIS_T_SCORE
        + (density - _HU_AT_THRESHOLD) / _HU_PER_T
        + _T_PER_CORTEX_SD * cortex_sd
        + _T_PER_DEGENERATION * (degeneration - 0.3)
        + float(rng.normal(0.0, _T_ERROR))
    )
    frailty = float(
        np.clip(0.35 * (120.0 - density) / 60.0 + 0.3 * (age - 65) / 15 + rng.normal(0, 0.85), -2.5, 3)
    )
    area = float(np.clip((62.0 if male else 47.0) * (bmi / 26) ** 0.35 * (1 - 0.11 * frailty), 20.0, 95.0))
    return Patient(
        seed=seed,
        age_years=age,
        sex=chosen,
        height_m=round(height, 2),
        bmi=bmi,
        density_hu=density,
        t_score=t_score,
        osteoporosis=t_score <= OSTEOPOROSIS_T_SCORE,
        muscle_area_cm2=area,
        muscle_fat=float(
            np.clip(0.10 + 0.07 * frailty + 0.006 * (bmi - 26) + rng.normal(0, 0.03), 0.01, 0.55)
        ),
        muscle_hu=float(rng.normal(55.0, 5.0)),
        fat_hu=float(rng.normal(-103.0, 6.0)),
        subcutaneous_mm=float(np.clip(6.0 + 1.3 * (bmi - 20) + rng.normal(0, 4), 2.0, 48.0)),
        girth=float(np.clip((bmi / 26) ** 0.4 * height / 1.68 * rng.normal(1, 0.04), 0.75, 1.4)),
        blood_hu=float(np.clip(rng.normal(42.0, 4.0), 30.0, 55.0)),
        aorta_radius_mm=float(
            np.clip(rng.normal(11.0 + 0.06 * (age - 50) + (1.3 if male else 0), 1.3), 8, 19)
        ),
        calcified=float(np.clip(rng.normal((age - 55) / 90, 0.15), 0.0, 0.6)),
        basivertebral=float(rng.beta(1.5, 2.0)),
        trabecular_contrast=float(rng.uniform(0.4, 1.7)),
        diaphragm_mm=float(rng.normal(62.0, 14.0)),
        vertebrae=sample_spine(rng, height, density, cortex_sd, degeneration, male=male),
    )


def _sample_density(rng: np.random.Generator, age: int) -> float:
    """Trabecular HU at L1: of the age in one half of the cohort, anywhere in the range in the other."""
    if rng.random() < 0.5:
        return float(rng.uniform(*DENSITY_RANGE_HU))
    return float(rng.normal(226.0 - 2.5 * max(age - 30, 0), 44.0))
