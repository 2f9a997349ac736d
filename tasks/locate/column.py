"""The vertebral column on a coarse set of slices: canal and bodies as centre lines along z."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tasks.locate.anatomy import Column
from tasks.locate.canal import canal_evidence, follow_canal
from tasks.locate.outline import Outline, OutlineFit
from tasks.locate.patches import FloatImage, Grid, grid_about, sample
from tasks.locate.sampling import coarse_slices
from tasks.outcomes import Excluded, Reason
from tasks.volume.geometry import Geometry, SliceStack

#: Points of the search, fine enough for a lamina of 3 mm.
STEP_MM = 1.5
#: The spine lies within this distance of the middle of the image, sideways.
SEARCH_HALF_WIDTH_MM = 75.0
#: Attenuation up to which there is only air, and how many rows of it are left about the patient: a canal has
#: soft tissue within `canal.FREE_RADIUS_MM`.
AIR_TO_HU, AIR_ROWS = -300.0, 5
#: Evidence below this, smoothed over three slices, is no spine.
#: On real spines it was 0.5 to 1.0, in arms, skull and pelvis below 0.4.
LEAST_EVIDENCE = 0.5
#: The least length of a spine to follow: four vertebrae would be wished for, two tell that it is one.
LEAST_LENGTH_MM = 40.0
#: Centre lines are smoothed over about a vertebra on either side.
SMOOTH_MM = 25.0


def find_column(stack: SliceStack) -> Column:
    """Spinal canal and vertebral bodies through the stack, from slices about 10 mm apart.

    Raises:
        Excluded: `spine_not_found` when no canal runs through a sufficient length of the stack.
    """
    geometry = stack.geometry
    indices = coarse_slices(geometry)
    z_mm = np.array([geometry.z_mm[index] for index in indices])
    grid = _search_grid(geometry)
    grid, patches = _without_air(grid, [sample(stack.hu(index), geometry, grid) for index in indices])
    evidence = [canal_evidence(patch, STEP_MM) for patch in patches]
    path = follow_canal(evidence, z_mm, STEP_MM)
    first, last = _longest_run(path.evidence, z_mm)
    kept = slice(first, last + 1)
    z_mm = z_mm[kept]
    rows = smooth_line(z_mm, path.rows[kept].astype(np.float64))
    columns = smooth_line(z_mm, path.columns[kept].astype(np.float64))
    fit = OutlineFit(STEP_MM)
    scores = np.array(
        [
            fit.score(patch, row, column)
            for patch, row, column in zip(patches[kept], rows, columns, strict=True)
        ]
    )
    scores = ndimage.convolve1d(scores, np.array([0.25, 0.5, 0.25]), axis=0, mode="nearest")
    outlines = [fit.best(each) for each in scores]
    line = _as_column(grid, z_mm, rows, columns, outlines)
    return replace(line, evidence=tuple(path.evidence[kept].tolist()))


def smooth_line(z_mm: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Local quadratic fit along z with Gaussian weights of `SMOOTH_MM`: keeps kyphosis, drops jitter."""
    if len(z_mm) < 4:
        return np.full_like(values, np.median(values)) if len(z_mm) < 2 else values
    smoothed = np.empty_like(values)
    for place, z in enumerate(z_mm):
        away = (z_mm - z) / SMOOTH_MM
        design = np.stack([np.ones_like(away), away, away**2], axis=1)
        weight = np.exp(-0.25 * away**2)[:, None]
        smoothed[place] = np.linalg.lstsq(design * weight, values * weight[:, 0], rcond=None)[0][0]
    return smoothed


def _search_grid(geometry: Geometry) -> Grid:
    width = geometry.columns * geometry.pixel_mm
    height = geometry.rows * geometry.pixel_mm
    x_mm, y_mm = geometry.to_patient_mm((geometry.rows - 1) / 2, (geometry.columns - 1) / 2)
    half = min(SEARCH_HALF_WIDTH_MM, width / 2)
    return grid_about(x_mm, y_mm, half, height / 2, height / 2, STEP_MM)


def _without_air(grid: Grid, patches: list[FloatImage]) -> tuple[Grid, list[FloatImage]]:
    """Grid and patches without the rows in front and behind in which no patch shows anything but air."""
    shown = np.flatnonzero(np.max([patch.max(axis=1) for patch in patches], axis=0) > AIR_TO_HU)
    if shown.size == 0:
        return grid, patches
    first, last = max(int(shown[0]) - AIR_ROWS, 0), int(shown[-1]) + AIR_ROWS + 1
    kept = [patch[first:last] for patch in patches]
    return replace(grid, y_mm=grid.y_mm + first * grid.step_mm, rows=len(kept[0])), kept


def _longest_run(evidence: npt.NDArray[np.float64], z_mm: npt.NDArray[np.float64]) -> tuple[int, int]:
    smoothed = ndimage.uniform_filter1d(evidence, 3, mode="nearest")
    runs, count = ndimage.label(smoothed >= LEAST_EVIDENCE)
    best = (0, 0)
    for run in range(1, count + 1):
        members = np.flatnonzero(runs == run)
        if z_mm[members[-1]] - z_mm[members[0]] > z_mm[best[1]] - z_mm[best[0]]:
            best = (int(members[0]), int(members[-1]))
    length = float(z_mm[best[1]] - z_mm[best[0]])
    if length < LEAST_LENGTH_MM:
        raise Excluded(
            Reason.SPINE_NOT_FOUND,
            f"a spinal canal was followed over {length:.0f} mm only, best evidence {evidence.max():.2f}",
        )
    return best


def _as_column(
    grid: Grid,
    z_mm: npt.NDArray[np.float64],
    rows: npt.NDArray[np.float64],
    columns: npt.NDArray[np.float64],
    outlines: list[Outline],
) -> Column:
    canal = [grid.to_patient_mm(row, column) for row, column in zip(rows, columns, strict=True)]
    side = smooth_line(z_mm, np.array([outline.side_mm for outline in outlines]))
    ahead = smooth_line(z_mm, np.array([outline.ahead_mm for outline in outlines]))
    width = smooth_line(z_mm, np.array([outline.half_width_mm for outline in outlines]))
    body = [(x + dx, y - dy) for (x, y), dx, dy in zip(canal, side.tolist(), ahead.tolist(), strict=True)]
    return Column(tuple(z_mm.tolist()), tuple(canal), tuple(body), tuple(width.tolist()))
