"""Whether blood is enhanced by contrast agent, judged from the image by independent lines of evidence."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.locate.anatomy import Aorta, Column
from tasks.locate.bloodpool import bright_heart_cm2, bright_kidney_cm2
from tasks.locate.lungs import Lungs
from tasks.locate.sections import Section
from tasks.outcomes import Excluded, Reason, Warn
from tasks.settings import Contrast

#: Neighbouring coarse slices that must agree; a heart is 100 mm high, a kidney as well, a streak is not.
HEART_SECTIONS, KIDNEY_SECTIONS = 3, 2


def check_contrast(
    aorta: Aorta | None,
    muscle_hu: float | None,
    lungs: Lungs,
    sections: Sequence[Section],
    column: Column,
    limits: Contrast,
) -> tuple[Warn, ...]:
    """Refuse enhanced images; warn when the aorta was not found and only the other evidence speaks.

    Args:
        aorta: as `find_aorta` returned it.
        muscle_hu: lean paraspinal muscle, as `paraspinal_hu` returned it.

    Raises:
        Excluded: `contrast_enhanced`, with the measurements that say so.
    """
    signs = [
        *_aortic_signs(aorta, muscle_hu, limits),
        *_organ_sign(
            "heart",
            bright_heart_cm2(lungs, sections, column, limits.max_heart_hu),
            (limits.max_heart_hu, limits.min_heart_area_cm2, HEART_SECTIONS),
        ),
        *_organ_sign(
            "organs beside the spine",
            bright_kidney_cm2(lungs, sections, column, limits.max_kidney_hu),
            (limits.max_kidney_hu, limits.min_kidney_area_cm2, KIDNEY_SECTIONS),
        ),
    ]
    if signs:
        raise Excluded(Reason.CONTRAST_ENHANCED, "; ".join(signs))
    return () if aorta is not None else (Warn.AORTA_NOT_FOUND,)


def _aortic_signs(aorta: Aorta | None, muscle_hu: float | None, limits: Contrast) -> list[str]:
    if aorta is None:
        return []
    signs = []
    if aorta.hu > limits.max_blood_hu:
        signs.append(f"aorta {aorta.hu:.0f} HU above {limits.max_blood_hu:.0f}")
    if muscle_hu is not None and aorta.hu - muscle_hu > limits.max_blood_over_muscle_hu:
        signs.append(f"aorta {aorta.hu - muscle_hu:.0f} HU above muscle")
    return signs


def _organ_sign(organ: str, areas_cm2: Sequence[float], limit: tuple[float, float, int]) -> list[str]:
    """Names the organ when enough neighbouring sections are bright; limit: (HU, area in cm2, sections)."""
    above_hu, area_cm2, sections = limit
    run = longest = 0
    for area in areas_cm2:
        run = run + 1 if area >= area_cm2 else 0
        longest = max(longest, run)
    if longest < sections:
        return []
    return [f"{organ} above {above_hu:.0f} HU over {max(areas_cm2):.0f} cm2, {longest} sections"]
