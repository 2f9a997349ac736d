"""The descending aorta beside the thoracic spine, for the attenuation of the blood in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tasks.locate.anatomy import Aorta, Column
from tasks.locate.circles import RADII_MM, STEP_MM, FloatArray, fitting_circles
from tasks.locate.lungs import Lungs
from tasks.locate.masks import BoolImage
from tasks.locate.patches import Grid, grid_about, sample
from tasks.locate.sections import Section
from tasks.volume.geometry import SliceStack

#: Position of the centre against the centre of the vertebral body, towards the patient's left (the aorta lies
#: beside the body at T5 and in front of it at T12) and towards the back.
TO_LEFT_MM = (-8.0, 58.0)
TO_BACK_MM = (-62.0, 28.0)
#: Behind the middle of the body lie pedicle and canal; the aorta lies there only this far aside.
BEHIND_MM, ASIDE_MM = 5.0, 8.0
#: It touches the body, whose half depth is this part of its half width, and may be drawn into its outline by
#: osteophytes, but does not lie in it.
BODY_DEPTH, BODY_TOUCHED = 0.8, 0.65
#: The path: standard deviation of the sideways drift per millimetre of z, of the radius in all.
DRIFT_MM_PER_MM, DRIFT_MM, RADIUS_DRIFT_MM = 0.4, 2.0, 2.5
CANDIDATES = 60
#: A section shows the aorta when this share of its outline is seen; along the path so many sections must.
LEAST_OUTLINE = 0.45
#: In the median of the path more is seen (on real CT 0.75 to 1.0), or it is a fold of muscle and pleura.
LEAST_MEDIAN_OUTLINE = 0.72
LEAST_SECTIONS = 3
#: Part of the radius within which the lumen is measured, away from wall calcium and its blur.
LUMEN = 0.6
#: The abdominal aorta is followed this far below the lungs; above, the search begins below the arch, which
#: lies above the carina and within this distance of the apex.
BELOW_BASE_MM, BELOW_CARINA_MM, BELOW_APEX_MM = 40.0, 10.0, 80.0
#: Patient's left, as usual, and right, as in 1 of 1,000 (or situs inversus).
SIDES = (1.0, -1.0)

#: Section, patient x, y, radius (mm) and the share of the outline that is seen.
Circle = tuple[Section, float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Circles of one section that may be the aorta; arrays of shape (candidates,)."""

    section: Section
    x_mm: FloatArray
    y_mm: FloatArray
    radius_mm: FloatArray
    outline: FloatArray


def find_aorta(stack: SliceStack, column: Column, lungs: Lungs, sections: Sequence[Section]) -> Aorta | None:
    """The descending aorta on `sections`, left of the spine or, where it is seen better there, right of it.

    Args:
        sections: slices that were decoded already, caudal first.

    Returns:
        None when no consistent tube of blood runs beside the spine.
    """
    low, high = _reach(lungs)
    low, high = max(low, column.z_mm[0]), min(high, column.z_mm[-1])
    beside = [section for section in sections if low - 1.0 <= section.z_mm <= high + 1.0]
    if len(beside) < LEAST_SECTIONS:
        return None
    fitting = [_fitting(stack, section, column) for section in beside]
    paths = [_best_path([_best_beside(each, column, side) for each in fitting]) for side in SIDES]
    return _measure(stack, max(paths, key=_median_outline))


def _reach(lungs: Lungs) -> tuple[float, float]:
    low = (lungs.z_mm[0] if lungs.base_mm is None else lungs.base_mm) - BELOW_BASE_MM
    if lungs.carina_mm is not None:
        return low, lungs.carina_mm - BELOW_CARINA_MM
    return low, lungs.z_mm[-1] if lungs.apex_mm is None else lungs.apex_mm - BELOW_APEX_MM


def _fitting(stack: SliceStack, section: Section, column: Column) -> _Candidates:
    """Every circle that fits at all where the aorta may lie, on either side."""
    body_x, body_y, half_width = _body_at(column, section.z_mm)
    grid = grid_about(body_x, body_y, 82.0, 88.0, 52.0, STEP_MM)
    hu = np.clip(sample(stack.hu(section.index), stack.geometry, grid), -250.0, 800.0)
    y, x = np.mgrid[0 : grid.rows, 0 : grid.columns] * STEP_MM
    aside, to_back = np.abs(grid.x_mm + x - body_x), grid.y_mm + y - body_y
    found = fitting_circles(ndimage.gaussian_filter(hu, 1.0), _may_lie(aside, to_back, half_width, 0.0))
    x_mm: FloatArray = np.asarray(grid.x_mm + found.column * STEP_MM, dtype=np.float64)
    y_mm: FloatArray = np.asarray(grid.y_mm + found.row * STEP_MM, dtype=np.float64)
    return _Candidates(section, x_mm, y_mm, found.radius_mm, found.outline)


def _best_beside(fitting: _Candidates, column: Column, side: float) -> _Candidates:
    """The best circles on one side of the spine; where there is none, one that nothing speaks for."""
    section = fitting.section
    body_x, body_y, half_width = _body_at(column, section.z_mm)
    to_left, to_back = side * (fitting.x_mm - body_x), fitting.y_mm - body_y
    beside = np.flatnonzero(_may_lie(to_left, to_back, half_width, fitting.radius_mm))
    if beside.size == 0:
        nothing = (np.array([value]) for value in (body_x, body_y, RADII_MM[0], 0.0))
        return _Candidates(section, *nothing)
    best = beside[np.argsort(fitting.outline[beside], kind="stable")[::-1][:CANDIDATES]]
    lines = (fitting.x_mm, fitting.y_mm, fitting.radius_mm, fitting.outline)
    return _Candidates(section, *(line[best] for line in lines))


def _may_lie(
    to_left: FloatArray, to_back: FloatArray, half_width: float, radius_mm: FloatArray | float
) -> BoolImage:
    """Whether a circle so far to the left of and behind the centre of a vertebral body may be the aorta."""
    sideways = to_left / (half_width + radius_mm)
    ahead = to_back / (BODY_DEPTH * half_width + radius_mm)
    allowed: BoolImage = (to_left >= TO_LEFT_MM[0]) & (to_left <= TO_LEFT_MM[1])
    allowed &= (to_back >= TO_BACK_MM[0]) & (to_back <= TO_BACK_MM[1])
    allowed &= (to_back <= BEHIND_MM) | (to_left >= half_width + ASIDE_MM)
    return allowed & (np.hypot(sideways, ahead) >= BODY_TOUCHED)


def _body_at(column: Column, z_mm: float) -> tuple[float, float, float]:
    """Patient (x, y) and half width of the vertebral body at a z."""
    x, y = np.array(column.body_xy_mm).T
    lines = (x, y, np.array(column.body_radius_mm))
    at_x, at_y, half_width = (float(np.interp(z_mm, column.z_mm, line)) for line in lines)
    return at_x, at_y, half_width


def _best_path(candidates: Sequence[_Candidates]) -> list[Circle]:
    """One circle per section with the most outline and the least drift: (section, x, y, radius, outline)."""
    total = candidates[0].outline
    origins: list[npt.NDArray[np.intp]] = []
    for below, here in pairwise(candidates):
        gap = here.section.z_mm - below.section.z_mm
        drift = np.hypot(here.x_mm[:, None] - below.x_mm, here.y_mm[:, None] - below.y_mm)
        growth = (here.radius_mm[:, None] - below.radius_mm) / RADIUS_DRIFT_MM
        cost = 0.1 * ((drift / (DRIFT_MM + DRIFT_MM_PER_MM * gap)) ** 2 + growth**2)
        reached = total[None, :] - np.minimum(cost, 1.0)
        origins.append(reached.argmax(axis=1))
        total = here.outline + reached.max(axis=1)
    place = int(total.argmax())
    places = [place]
    for origin in reversed(origins):
        place = int(origin[place])
        places.append(place)
    return [
        (
            each.section,
            float(each.x_mm[at]),
            float(each.y_mm[at]),
            float(each.radius_mm[at]),
            float(each.outline[at]),
        )
        for each, at in zip(candidates, reversed(places), strict=True)
    ]


def _median_outline(path: Sequence[Circle]) -> float:
    return float(np.median([outline for *_, outline in path]))


def _measure(stack: SliceStack, path: Sequence[Circle]) -> Aorta | None:
    seen = [circle for circle in path if circle[4] >= LEAST_OUTLINE]
    if len(seen) < LEAST_SECTIONS or _median_outline(path) < LEAST_MEDIAN_OUTLINE:
        return None
    lumens = [_lumen_hu(stack, section, x, y, radius) for section, x, y, radius, _ in seen]
    section, x_mm, y_mm, _, _ = max(seen, key=lambda circle: circle[4])
    return Aorta(hu=float(np.median(lumens)), slices=len(seen), x_mm=x_mm, y_mm=y_mm, z_mm=section.z_mm)


def _lumen_hu(stack: SliceStack, section: Section, x_mm: float, y_mm: float, radius_mm: float) -> float:
    grid: Grid = grid_about(
        x_mm, y_mm, LUMEN * radius_mm, LUMEN * radius_mm, LUMEN * radius_mm, STEP_MM / 2.0
    )
    hu = sample(stack.hu(section.index), stack.geometry, grid)
    y, x = np.mgrid[0 : grid.rows, 0 : grid.columns] * grid.step_mm - LUMEN * radius_mm
    return float(np.median(hu[x**2 + y**2 <= (LUMEN * radius_mm) ** 2]))
