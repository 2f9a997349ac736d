"""The spinal canal in coarse slices: how canal-like every point is, and the smoothest path through them.

The canal is soft tissue (cord and fluid) walled in by bone: the vertebral body in front, pedicles or, between
them, the open foramina at the sides, the arch behind. Only that pattern is used, not the density of the bone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tasks.locate.patches import AIR_HU, FloatImage

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
    inner = ndimage.convolve(patch, _disc(FREE_RADIUS_MM, step_mm), mode="nearest")
    densest = ndimage.maximum_filter(
        ndimage.uniform_filter(patch, 3, mode="nearest"), footprint=_disc(FREE_RADIUS_MM, step_mm) > 0
    )
    walls = _walls(patch, step_mm, WALL_FROM_MM, WALL_TO_MM)
    mirrored = walls[(-np.arange(DIRECTIONS)) % DIRECTIONS]
    ring = np.minimum(walls, mirrored).mean(axis=0)
    arch = walls[_directions_within(60.0, about=180.0)].mean(axis=0)
    ahead = _directions_within(30.0, about=0.0)
    front = _walls(patch, step_mm, FRONT_FROM_MM, FRONT_TO_MM, ahead).mean(axis=0)
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
    score = evidence[0].astype(np.float32)
    came_from: list[npt.NDArray[np.int32]] = []
    cells = np.arange(score.size, dtype=np.int32).reshape(score.shape)
    for current, gap_mm in zip(evidence[1:], np.diff(z_mm), strict=True):
        best, origin = _best_predecessor(score, cells, float(gap_mm), step_mm)
        came_from.append(origin)
        score = best + current
    cell = int(score.argmax())
    path = [cell]
    for origin in reversed(came_from):
        cell = int(origin.ravel()[cell])
        path.append(cell)
    rows, columns = np.unravel_index(np.array(path[::-1]), score.shape)
    found = np.array(
        [level[r, c] for level, r, c in zip(evidence, rows, columns, strict=True)], dtype=np.float64
    )
    return CanalPath(rows, columns, found)


def _best_predecessor(
    score: FloatImage, cells: npt.NDArray[np.int32], gap_mm: float, step_mm: float
) -> tuple[FloatImage, npt.NDArray[np.int32]]:
    """The best place to come from, for every place; sway in x and y cost independently, so one at a time."""
    best, origin = score, cells
    for axis, sway_per_mm in ((1, SWAY_X_PER_MM), (0, SWAY_Y_PER_MM)):
        best, origin = _best_along(best, origin, axis, sway_per_mm * gap_mm / step_mm)
    return best, origin


def _best_along(
    score: FloatImage, origin: npt.NDArray[np.int32], axis: int, sigma: float
) -> tuple[FloatImage, npt.NDArray[np.int32]]:
    reach = int(np.ceil(2.5 * sigma))
    margins = [(0, 0), (0, 0)]
    margins[axis] = (reach, reach)
    padded, named = np.pad(score, margins, constant_values=-np.inf), np.pad(origin, margins)
    best, best_origin = np.full_like(score, -np.inf), np.zeros_like(origin)
    for shift in range(2 * reach + 1):
        window = [slice(None), slice(None)]
        window[axis] = slice(shift, shift + score.shape[axis])
        candidate = padded[tuple(window)] - np.float32(SWAY_COST * ((shift - reach) / sigma) ** 2)
        better = candidate > best
        best = np.where(better, candidate, best)
        best_origin = np.where(better, named[tuple(window)], best_origin)
    return best, best_origin


def _walls(
    patch: FloatImage,
    step_mm: float,
    from_mm: float,
    to_mm: float,
    directions: npt.NDArray[np.intp] | None = None,
) -> FloatImage:
    chosen = np.arange(DIRECTIONS) if directions is None else directions
    reach = int(np.ceil(to_mm / step_mm)) + 1
    padded = np.pad(patch, reach, constant_values=AIR_HU)
    rows, columns = patch.shape
    walls = np.empty((len(chosen), rows, columns), dtype=np.float32)
    for place, direction in enumerate(chosen):
        angle = 2 * np.pi * direction / DIRECTIONS
        highest = np.full(patch.shape, AIR_HU, dtype=np.float32)
        for radius in np.arange(from_mm, to_mm + 0.1, step_mm):
            top = reach - round(float(np.cos(angle) * radius / step_mm))
            left = reach + round(float(np.sin(angle) * radius / step_mm))
            np.maximum(highest, padded[top : top + rows, left : left + columns], out=highest)
        walls[place] = np.clip((highest - BONE_FROM_HU) / (BONE_FULL_HU - BONE_FROM_HU), 0.0, 1.0)
    return walls


def _directions_within(half_angle_deg: float, about: float) -> npt.NDArray[np.intp]:
    degrees = np.arange(DIRECTIONS) * 360.0 / DIRECTIONS
    away = np.abs((degrees - about + 180.0) % 360.0 - 180.0)
    return np.flatnonzero(away <= half_angle_deg)


def _disc(radius_mm: float, step_mm: float) -> FloatImage:
    reach = int(np.ceil(radius_mm / step_mm))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1] * step_mm
    disc = (x**2 + y**2 <= radius_mm**2).astype(np.float32)
    normalised: FloatImage = disc / disc.sum()
    return normalised
