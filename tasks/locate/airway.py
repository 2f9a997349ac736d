"""The trachea and where it divides (the carina), on coarse slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.locate.masks import BoolImage, parts
from tasks.locate.patches import FloatImage, grid_about, sample
from tasks.locate.sections import Section
from tasks.volume.geometry import SliceStack

#: The wall of the airway is 1 to 2 mm thick and must not vanish between lung and lumen.
STEP_MM = 0.8
#: Window about the middle of the chest in which the airway lies (displaced by a collapsed lung at the most).
HALF_WIDTH_MM, HALF_DEPTH_MM = 70.0, 80.0
#: Tried from the first: the wall holds lumen and lung apart at −500 unless it is very thin.
LUMEN_BELOW_HU = (-500.0, -700.0, -850.0)
#: The lumen is free air; lung of such a compact outline is not.
LUMEN_MEDIAN_BELOW_HU = -880.0
#: Cross-section of an adult trachea: 12 to 27 mm across (Breatnach 1984), here with room for deformity.
LEAST_AREA_MM2, MOST_AREA_MM2 = 70.0, 700.0
LEAST_BRONCHUS_MM2 = 40.0
#: A trachea fills most of its own ellipse; a tongue of lung does not.
LEAST_COMPACTNESS = 0.72
#: The trachea begins this near to the middle of the body, and in the neck is followed from anew when lost.
START_MM = 30.0
#: It slopes to the back by about 20° and may be drawn aside; the centre is found to a few millimetres.
DRIFT_MM_PER_MM, DRIFT_MM = 0.7, 4.0
#: A section may show no clear lumen: secretion, a cuff, or the very point of division.
LONGEST_GAP_MM = 21.0
#: Sections that must show one lumen before two count as its division.
LEAST_SECTIONS = 3
#: Centres of the main bronchi lie between these distances aside of the trachea just below the division.
BRONCHUS_ASIDE_MM = (4.0, 35.0)
#: Where the trachea begins to divide it is this much wider than above, and wider than most tracheas are.
DIVIDING_WIDTH_RATIO, DIVIDING_WIDTH_MM = 1.35, 26.0


@dataclass(frozen=True, slots=True)
class _Lumen:
    x_mm: float
    y_mm: float
    area_mm2: float
    width_mm: float
    off_middle_mm: float


def find_carina(stack: SliceStack, sections: Sequence[Section]) -> float | None:
    """Patient z of the tracheal bifurcation, to about half the distance of the sections.

    Args:
        sections: those from above the lungs to their middle, caudal first, slices already decoded.

    Returns:
        None when no trachea is followed down to where it divides: the division is not covered, or deformed.
    """
    trachea: list[tuple[float, _Lumen]] = []
    for section in reversed(sections):
        lumens = _lumens(stack, section)
        if not trachea:
            start = [
                lumen
                for lumen in lumens
                if lumen.area_mm2 >= LEAST_AREA_MM2 and lumen.off_middle_mm <= START_MM
            ]
            if start:
                trachea.append((section.z_mm, min(start, key=lambda lumen: lumen.off_middle_mm)))
            continue
        gap = trachea[-1][0] - section.z_mm
        reach = DRIFT_MM + DRIFT_MM_PER_MM * gap
        x_mm, y_mm = _expected(trachea, section.z_mm)
        if len(trachea) >= LEAST_SECTIONS and _divided(lumens, trachea, x_mm, y_mm, reach):
            return trachea[-1][0] - gap / 2.0
        near = [(float(np.hypot(lumen.x_mm - x_mm, lumen.y_mm - y_mm)), lumen) for lumen in lumens]
        away, nearest = min(near, key=lambda pair: pair[0], default=(np.inf, None))
        if nearest is not None and away <= reach:
            trachea.append((section.z_mm, nearest))
        elif gap > LONGEST_GAP_MM:
            if len(trachea) >= LEAST_SECTIONS:
                return None
            trachea.clear()
    return None


def _expected(trachea: Sequence[tuple[float, _Lumen]], z_mm: float) -> tuple[float, float]:
    """Patient (x, y) at which the trachea goes on, from its last two centres."""
    z_last, last = trachea[-1]
    if len(trachea) == 1:
        return last.x_mm, last.y_mm
    z_before, before = trachea[-2]
    on = min((z_last - z_mm) / (z_before - z_last), 1.5)
    return last.x_mm + on * (last.x_mm - before.x_mm), last.y_mm + on * (last.y_mm - before.y_mm)


def _divided(
    lumens: Sequence[_Lumen], trachea: Sequence[tuple[float, _Lumen]], x_mm: float, y_mm: float, reach: float
) -> bool:
    usual = float(np.median([lumen.width_mm for _, lumen in trachea[-3:]]))
    dividing = max(DIVIDING_WIDTH_RATIO * usual, DIVIDING_WIDTH_MM)
    level = [lumen for lumen in lumens if abs(lumen.y_mm - y_mm) <= reach]
    aside = [lumen.x_mm - x_mm for lumen in level]
    straight = any(abs(dx) <= BRONCHUS_ASIDE_MM[0] for dx in aside)
    right = any(-BRONCHUS_ASIDE_MM[1] <= dx < -BRONCHUS_ASIDE_MM[0] for dx in aside)
    left = any(BRONCHUS_ASIDE_MM[0] < dx <= BRONCHUS_ASIDE_MM[1] for dx in aside)
    wide = any(
        lumen.width_mm >= dividing and abs(dx) <= reach for lumen, dx in zip(level, aside, strict=True)
    )
    return wide or (right and left and not straight)


def _lumens(stack: SliceStack, section: Section) -> list[_Lumen]:
    rows = np.flatnonzero(section.body.any(axis=1))
    columns = np.flatnonzero(section.body.any(axis=0))
    if rows.size == 0:
        return []
    middle_x, middle_y = section.grid.to_patient_mm(
        float(rows[0] + rows[-1]) / 2, float(columns[0] + columns[-1]) / 2
    )
    grid = grid_about(middle_x, middle_y, HALF_WIDTH_MM, HALF_DEPTH_MM, HALF_DEPTH_MM, STEP_MM)
    patch = sample(stack.hu(section.index), stack.geometry, grid)
    found: list[_Lumen] = []
    taken = np.zeros(patch.shape, dtype=np.bool_)
    for limit in LUMEN_BELOW_HU:
        for where, mask in parts(patch < limit, LEAST_BRONCHUS_MM2 / STEP_MM**2, MOST_AREA_MM2 / STEP_MM**2):
            if taken[where][mask].any() or not _is_lumen(patch[where], mask):
                continue
            taken[where] |= mask
            row, column = (float(np.mean(axis)) for axis in np.nonzero(mask))
            x_mm, y_mm = grid.to_patient_mm(row + where[0].start, column + where[1].start)
            found.append(
                _Lumen(
                    x_mm, y_mm, float(mask.sum()) * STEP_MM**2, mask.shape[1] * STEP_MM, abs(x_mm - middle_x)
                )
            )
    return found


def _is_lumen(hu: FloatImage, mask: BoolImage) -> bool:
    rows, columns = np.nonzero(mask)
    spread = np.cov(np.stack([rows, columns])) + np.eye(2) / 12.0
    ellipse = 4.0 * np.pi * float(np.sqrt(np.linalg.det(spread)))
    return rows.size / ellipse >= LEAST_COMPACTNESS and float(np.median(hu[mask])) < LUMEN_MEDIAN_BELOW_HU
