"""Enhanced blood on coarse slices where no vessel need be found: bright heart, bright kidneys; muscle beside.

Areas are of smoothed images after an opening, so that noise, calcium, leads, ribs and streaks do not add up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from tasks.locate.anatomy import Column
from tasks.locate.lungs import Lungs
from tasks.locate.masks import BoolImage, disc, opened
from tasks.locate.sections import STEP_MM, Section

#: Noise of a low-dose slice (50 HU a pixel) is under 8 HU after this; a calcium or a lead is thinned.
SMOOTH_MM = 3.5
#: Above this it is bone, metal or oral contrast agent rather than blood.
BRIGHTEST_HU = 600.0
#: What is thinner than twice this is no heart (calcified valve, sternum, lead, streak) and no kidney (rib).
HEART_OPEN_MM, KIDNEY_OPEN_MM = 7.0, 9.0
#: The heart is looked for where the lungs have this part of their largest area: below, there is liver, and
#: stomach that may hold oral contrast agent; above, there are clavicles.
HEART_LUNG = 0.5
#: The sternum lies in front of the anterior edge of the lungs, with its blur this far behind it.
BEHIND_STERNUM_MM = 8.0
#: In front of the vertebral body osteophytes reach this far.
FRONT_MM = 4.0
#: Soft tissue for a plausible mean: above fat, below bone.
MUSCLE_FROM_HU, MUSCLE_TO_HU = 0.0, 150.0
#: Erector spinae lies within these distances aside of the canal and behind its centre.
MUSCLE_ASIDE_MM, MUSCLE_BEHIND_MM = (12.0, 45.0), (12.0, 50.0)
#: Kidneys lie aside of the spine: from the edge of the body and its pedicles this far outwards, and from
#: this far in front of its centre to this far behind.
KIDNEY_ASIDE_MM, KIDNEY_FRONT_MM, KIDNEY_BEHIND_MM = (12.0, 90.0), 25.0, 45.0
#: The outer shell of the trunk, in which ribs and sternum lie.
SHELL_MM = 20.0
#: Kidneys reach this far above the lowest lung.
KIDNEY_ABOVE_BASE_MM = 40.0


def bright_heart_cm2(
    lungs: Lungs, sections: Sequence[Section], column: Column, above_hu: float
) -> tuple[float, ...]:
    """Area brighter than `above_hu` in front of the spine, per section that shows much lung."""
    enough = HEART_LUNG * max(lungs.area_cm2)
    shown = {z for z, area in zip(lungs.z_mm, lungs.area_cm2, strict=True) if area >= enough}
    return tuple(
        _bright_cm2(section, _mediastinum(section, column), above_hu, HEART_OPEN_MM)
        for section in _along(sections, column, lungs.z_mm[0], lungs.z_mm[-1])
        if section.z_mm in shown
    )


def bright_kidney_cm2(
    lungs: Lungs, sections: Sequence[Section], column: Column, above_hu: float
) -> tuple[float, ...]:
    """Area brighter than `above_hu` where kidneys lie, per section from the lowest lung downwards."""
    if lungs.base_mm is None:
        return ()
    low, high = lungs.spine_range_mm()[0], lungs.base_mm + KIDNEY_ABOVE_BASE_MM
    return tuple(
        _bright_cm2(section, _beside_spine(section, column), above_hu, KIDNEY_OPEN_MM)
        for section in _along(sections, column, low, high)
    )


def paraspinal_hu(lungs: Lungs, sections: Sequence[Section], column: Column) -> float | None:
    """Median attenuation of lean muscle behind the lower thoracic spine; None where there is none to see.

    Fat within the muscle is left out: this is the reference for blood, not a measure of muscle quality.
    """
    low, high = lungs.spine_range_mm()
    values = []
    for section in _along(sections, column, low, high):
        x, y = _offsets(section, _at(section, column.canal_xy_mm, column))
        where = section.body & (y >= MUSCLE_BEHIND_MM[0]) & (y <= MUSCLE_BEHIND_MM[1])
        where &= (np.abs(x) >= MUSCLE_ASIDE_MM[0]) & (np.abs(x) <= MUSCLE_ASIDE_MM[1])
        soft = (section.hu > MUSCLE_FROM_HU) & (section.hu < MUSCLE_TO_HU) & where
        values.append(section.hu[ndimage.binary_erosion(soft)])
    lean = np.concatenate(values) if values else np.empty(0)
    return float(np.median(lean)) if lean.size >= 50 else None


def _along(sections: Sequence[Section], column: Column, low: float, high: float) -> list[Section]:
    low, high = max(low, column.z_mm[0] - 5.0), min(high, column.z_mm[-1] + 5.0)
    return [section for section in sections if low <= section.z_mm <= high]


def _at(section: Section, line: Sequence[tuple[float, float]], column: Column) -> tuple[float, float]:
    x, y = np.array(line).T
    return float(np.interp(section.z_mm, column.z_mm, x)), float(np.interp(section.z_mm, column.z_mm, y))


def _offsets(section: Section, centre: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Distances in mm of every point from a patient position: (x, y), each of the section's shape."""
    y, x = np.mgrid[0 : section.grid.rows, 0 : section.grid.columns] * STEP_MM
    return x + section.grid.x_mm - centre[0], y + section.grid.y_mm - centre[1]


def _half_width(section: Section, column: Column) -> float:
    return float(np.interp(section.z_mm, column.z_mm, column.body_radius_mm))


def _mediastinum(section: Section, column: Column) -> BoolImage:
    """In front of the spine, within the outer edges of the lungs, and behind their anterior edge."""
    inner = ndimage.binary_erosion(section.body, iterations=round(SHELL_MM / STEP_MM))
    rows: BoolImage = np.asarray(section.lung.any(axis=1), dtype=np.bool_)
    rows[: int(rows.argmax()) + round(BEHIND_STERNUM_MM / STEP_MM)] = False
    _, y = _offsets(section, _at(section, column.body_xy_mm, column))
    lung_columns: BoolImage = np.asarray(section.lung.any(axis=0), dtype=np.bool_)
    columns = np.logical_or.accumulate(lung_columns) & np.logical_or.accumulate(lung_columns[::-1])[::-1]
    region: BoolImage = inner & ~section.lung & columns & rows[:, None]
    return region & (y <= -_half_width(section, column) - FRONT_MM)


def _beside_spine(section: Section, column: Column) -> BoolImage:
    x, y = _offsets(section, _at(section, column.body_xy_mm, column))
    aside = np.abs(x) - _half_width(section, column)
    inner = ndimage.binary_erosion(section.body, iterations=round(SHELL_MM / STEP_MM))
    region: BoolImage = inner & (aside >= KIDNEY_ASIDE_MM[0]) & (aside <= KIDNEY_ASIDE_MM[1])
    return region & (y >= -KIDNEY_FRONT_MM) & (y <= KIDNEY_BEHIND_MM)


def _bright_cm2(section: Section, region: BoolImage, above_hu: float, open_mm: float) -> float:
    smooth = ndimage.gaussian_filter(section.hu, SMOOTH_MM / STEP_MM)
    bright = region & (smooth > above_hu) & (smooth < BRIGHTEST_HU)
    return float(opened(bright, disc(open_mm, STEP_MM)).sum()) * STEP_MM**2 / 100.0
