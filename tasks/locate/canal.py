"""The spinal canal in coarse slices: how canal-like every point is, and the smoothest path through them.

The canal is soft tissue (cord and fluid) walled in by bone: the vertebral body in front, pedicles or, between
them, the open foramina at the sides, the arch behind. Only that pattern is used, not the density of the bone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import islice

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tasks.locate.patches import FloatImage, Offsets, seen_from

#: Directions in which walls are looked for; 15° apart resolves a pedicle.
DIRECTIONS = 24
#: Inner radius of a canal, free of bone: half of the narrowest normal thoracic canal (about 13 mm).
FREE_RADIUS_MM = 4.0
#: From the centre, walls of a canal lie within half of the widest normal one (about 25 mm).
WALL_FROM_MM, WALL_TO_MM = 5.0, 13.5
#: The anterior wall of the body in front of the canal: canal half (8) plus body depth (18 to 38).
FRONT_FROM_MM, FRONT_TO_MM = 24.0, 46.0
#: Attenuation at which a wall begins to count as bone, and counts fully: above muscle and fluid, up to the
#: cortex of an osteoporotic arch blurred by a smooth kernel.
BONE_FROM_HU, BONE_FULL_HU = 90.0, 210.0
#: Cord, fluid and epidural fat, averaged over the free radius, with room for beam hardening.
SOFT_LOW_HU, SOFT_HIGH_HU, SOFT_EDGE_HU = -25.0, 80.0, 20.0
#: Weights of ring, arch and anterior wall; the ring is what makes a canal.
RING, ARCH, FRONT = 1.0, 0.5, 0.5
#: Evidence of a perfect canal.
BEST_EVIDENCE = RING + ARCH + FRONT
#: Cost of a step of the path: standard deviations of the canal's drift per millimetre of z. The upper
#: thoracic spine leans by up to 45°, sideways the spine hardly leans.
SWAY_X_PER_MM, SWAY_Y_PER_MM = 0.35, 0.6
#: Evidence that one standard deviation of sway must gain to be worth it.
SWAY_COST = 0.1


@dataclass(frozen=True, slots=True)
class CanalPath:
    """The canal through a pile of equally laid grids.

    Attributes:
        rows, columns: grid position in each slice, shape (slices,).
        evidence: how canal-like the place is, 0 to 1, shape (slices,).
    """

    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    evidence: npt.NDArray[np.float64]


def canal_evidence(patch: FloatImage, step_mm: float) -> FloatImage:
    """How much each point of an axial patch looks like the centre of a spinal canal, 0 to 1.

    Args:
        patch: HU, rows to posterior, columns to the left.
        step_mm: distance of its points.
    """
    free = _disc(FREE_RADIUS_MM, step_mm)
    inner = reduce(np.add, seen_from(patch, free, "edge")) / np.float32(len(free))
    smooth = ndimage.uniform_filter(patch, 3, mode="nearest")
    densest = reduce(np.maximum, seen_from(smooth, free, "edge"))
    bone = np.clip((patch - BONE_FROM_HU) / (BONE_FULL_HU - BONE_FROM_HU), 0.0, 1.0)
    walls = _walls(bone, step_mm, WALL_FROM_MM, WALL_TO_MM, np.arange(DIRECTIONS))
    half = DIRECTIONS // 2  # a wall counts as far as there is one on the other side of the midline as well
    both = np.minimum(walls[1:half], walls[:half:-1]).sum(axis=0)
    ring = (walls[0] + walls[half] + 2.0 * both) / DIRECTIONS
    arch = walls[_directions_within(60.0, about=180.0)].mean(axis=0)
    ahead = _directions_within(30.0, about=0.0)
    front = _walls(bone, step_mm, FRONT_FROM_MM, FRONT_TO_MM, ahead).mean(axis=0)
    off_range = np.maximum(SOFT_LOW_HU - inner, 0.0) + np.maximum(inner - SOFT_HIGH_HU, 0.0)
    soft = np.exp(-0.5 * (off_range / SOFT_EDGE_HU) ** 2)
    clear = 1.0 - 0.5 * np.clip((densest - 120.0) / 120.0, 0.0, 1.0)
    evidence: FloatImage = (
        soft * clear * (RING * ring + ARCH * arch + FRONT * front) / BEST_EVIDENCE
    ).astype(np.float32)
    return evidence


def follow_canal(evidence: list[FloatImage], z_mm: npt.NDArray[np.float64], step_mm: float) -> CanalPath:
    """The path through all slices with the most evidence and the least sway (dynamic programming).

    Args:
        evidence: one map per slice, all of one shape and place, caudal first.
        z_mm: patient z of the maps, ascending.
        step_mm: distance of the grid points.
    """
    scores = [evidence[0]]
    gaps_mm = np.diff(z_mm).tolist()
    for current, gap_mm in zip(evidence[1:], gaps_mm, strict=True):
        scores.append(current + _best_before(scores[-1], gap_mm, step_mm))
    row, column = np.unravel_index(int(scores[-1].argmax()), scores[-1].shape)
    path = [(int(row), int(column))]
    for before, gap_mm in zip(reversed(scores[:-1]), reversed(gaps_mm), strict=True):
        path.append(_predecessor(before, *path[-1], gap_mm, step_mm))
    rows, columns = np.array(path[::-1]).T
    found = np.array(
        [level[r, c] for level, r, c in zip(evidence, rows, columns, strict=True)], dtype=np.float64
    )
    return CanalPath(rows, columns, found)


def _best_before(score: FloatImage, gap_mm: float, step_mm: float) -> FloatImage:
    """The best score to come from, for every place; sway in x and y cost independently, so one at a time."""
    for axis, costs in zip((1, 0), _sway_costs(gap_mm, step_mm), strict=True):
        reach = len(costs) // 2
        margins = [(0, 0), (0, 0)]
        margins[axis] = (reach, reach)
        padded = np.pad(score, margins, constant_values=-np.inf)
        best = np.full_like(score, -np.inf)
        for shift, cost in enumerate(costs):
            window = [slice(None), slice(None)]
            window[axis] = slice(shift, shift + score.shape[axis])
            np.maximum(best, padded[tuple(window)] - cost, out=best)
        score = best
    return score


def _predecessor(score: FloatImage, row: int, column: int, gap_mm: float, step_mm: float) -> tuple[int, int]:
    """Row and column of the place that `_best_before` took for one place."""
    across, along = _sway_costs(gap_mm, step_mm)
    up, aside = len(along) // 2, len(across) // 2
    top, left = max(row - up, 0), max(column - aside, 0)
    near = score[top : row + up + 1, left : column + aside + 1]
    across = across[left - column + aside :][: near.shape[1]]
    along = along[top - row + up :][: near.shape[0]]
    at = np.unravel_index(int((near - across - along[:, None]).argmax()), near.shape)
    return top + int(at[0]), left + int(at[1])


def _sway_costs(gap_mm: float, step_mm: float) -> tuple[FloatImage, FloatImage]:
    """What it costs to sway so many points, from the furthest on one side to the other: in x, and in y."""
    sigmas = (SWAY_X_PER_MM * gap_mm / step_mm, SWAY_Y_PER_MM * gap_mm / step_mm)
    reaches = (int(np.ceil(2.5 * sigma)) for sigma in sigmas)
    across, along = (
        (SWAY_COST * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
        for reach, sigma in zip(reaches, sigmas, strict=True)
    )
    return across, along


def _walls(
    bone: FloatImage, step_mm: float, from_mm: float, to_mm: float, directions: npt.NDArray[np.intp]
) -> FloatImage:
    """The most bone (0 to 1) between two distances from every point, shape (directions, rows, columns)."""
    radii = np.arange(from_mm, to_mm + 0.1, step_mm) / step_mm
    angles = 2.0 * np.pi * directions[:, None] / DIRECTIONS
    offsets = np.rint(np.stack([-np.cos(angles) * radii, np.sin(angles) * radii], axis=2))
    walls = np.zeros((len(directions), *bone.shape), dtype=np.float32)
    seen = seen_from(bone, offsets.reshape(-1, 2).astype(np.intp))
    for wall in walls:
        for moved in islice(seen, len(radii)):
            np.maximum(wall, moved, out=wall)
    return walls


def _directions_within(half_angle_deg: float, about: float) -> npt.NDArray[np.intp]:
    degrees = np.arange(DIRECTIONS) * 360.0 / DIRECTIONS
    away = np.abs((degrees - about + 180.0) % 360.0 - 180.0)
    return np.flatnonzero(away <= half_angle_deg)


def _disc(radius_mm: float, step_mm: float) -> Offsets:
    """Rows and columns of the points within a radius, shape (points, 2)."""
    reach = int(np.ceil(radius_mm / step_mm))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    offsets: Offsets = np.argwhere((x**2 + y**2) * step_mm**2 <= radius_mm**2) - reach
    return offsets
