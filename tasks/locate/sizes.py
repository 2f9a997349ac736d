"""Whether lengths are millimetres: no person has a chest or a spine of another size than these.

A pixel spacing or a slice distance that is wrong by a factor leaves every outline as it was. Lengths along
the body against lengths across it tell when one of the two is wrong, sizes of their own when both are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tasks.locate.anatomy import Body
from tasks.locate.levels import LEVELS, SPACING_MM
from tasks.locate.plausibility import Check
from tasks.locate.sections import STEP_MM, Section
from tasks.outcomes import Excluded

#: Of the sections, those that show this part of the most lung: the others may show bowel.
MUCH_LUNG = 0.5
_MEASURED = "on real and generated chests here"


@dataclass(frozen=True, slots=True)
class Sizes:
    """What has a size in every chest.

    Attributes:
        lungs_width_mm, lungs_depth_mm: the widest and the deepest both lungs are together.
        stature: middle ratio of the distances of named neighbours to a middle-sized adult's; NaN without any.
        slenderness: middle distance of neighbours over the middle breadth of the bodies; NaN with one body.
    """

    lungs_width_mm: float
    lungs_depth_mm: float
    stature: float
    slenderness: float


#: The first row that fails ends the study.
SIZE_CHECKS: tuple[Check[Sizes], ...] = (
    Check(
        "lungs are as wide as a person's",
        "their width (mm)",
        lambda sizes: sizes.lungs_width_mm,
        130.0,
        365.0,
        f"200 to 332 {_MEASURED}; a single lung is 130 and more",
    ),
    Check(
        "lungs are as deep as a person's",
        "their depth (mm)",
        lambda sizes: sizes.lungs_depth_mm,
        85.0,
        260.0,
        f"122 to 236 {_MEASURED}; emphysema adds up to a tenth",
    ),
    Check(
        "the spine is as long as a person's",
        "distance of its vertebrae over a middle-sized adult's",
        lambda sizes: sizes.stature,
        0.82,
        1.34,
        f"0.98 to 1.29 {_MEASURED}; stature from 145 cm with collapsed vertebrae to 205 cm: 0.84 to 1.28",
    ),
    Check(
        "slices and pixels are of one scale",
        "distance of neighbours over the mean of width and depth of the bodies",
        lambda sizes: sizes.slenderness,
        0.62,
        1.25,
        "0.84 to 0.93 by Panjabi 1991, 1992; real CT 0.69 (osteophytes) to 0.96, generated 0.78 to 1.18",
    ),
)


def check_sizes(sections: Sequence[Section], bodies: Sequence[Body], clean: Sequence[Body]) -> None:
    """Refuse a chest that no person has.

    Args:
        sections: coarse slices.
        bodies: an unbroken train, named as far as they could be, lowest first.
        clean: those that metal does not spoil: its outline is not theirs.

    Raises:
        Excluded: `implausible_anatomy`, naming the check, the value and the limits.
    """
    sizes = measure_sizes(sections, bodies, clean)
    for check in SIZE_CHECKS:
        failure = check.failure(sizes)
        if failure is not None:
            raise Excluded(check.reason, failure)


def measure_sizes(sections: Sequence[Section], bodies: Sequence[Body], clean: Sequence[Body]) -> Sizes:
    """What `check_sizes` judges."""
    enough = MUCH_LUNG * max(section.lung_area_cm2 for section in sections)
    lungs = [section.lung for section in sections if section.lung_area_cm2 >= enough]
    return Sizes(
        lungs_width_mm=max(_extent_mm(lung, axis=0) for lung in lungs),
        lungs_depth_mm=max(_extent_mm(lung, axis=1) for lung in lungs),
        stature=_stature(bodies),
        slenderness=_slenderness(bodies, clean),
    )


def _extent_mm(mask: npt.NDArray[np.bool_], axis: int) -> float:
    """From the first to the last point of a mask along the axis that is left."""
    shown = np.flatnonzero(mask.any(axis=axis))
    return float(shown[-1] - shown[0] + 1) * STEP_MM if shown.size else 0.0


def _stature(bodies: Sequence[Body]) -> float:
    ratios = []
    for below, above in pairwise(bodies):
        if below.level and above.level:
            upper, lower = LEVELS.index(above.level), LEVELS.index(below.level)
            ratios.append(_apart_mm(below, above) / float(SPACING_MM[upper:lower].sum()))
    return float(np.median(ratios)) if ratios else float("nan")


def _slenderness(bodies: Sequence[Body], clean: Sequence[Body]) -> float:
    if len(bodies) < 2 or not clean:
        return float("nan")
    apart = np.median([_apart_mm(below, above) for below, above in pairwise(bodies)])
    return float(apart / np.median([np.sqrt(body.width_mm * body.depth_mm) for body in clean]))


def _apart_mm(below: Body, above: Body) -> float:
    step = np.subtract((above.x_mm, above.y_mm, above.z_mm), (below.x_mm, below.y_mm, below.z_mm))
    return float(np.linalg.norm(step))
