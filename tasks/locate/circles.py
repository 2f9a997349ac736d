"""Circles that look like the section of a vessel: even within, and an edge all round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.locate.masks import BoolImage
from tasks.locate.patches import FloatImage

FloatArray = npt.NDArray[np.float64]

#: Points of the search: three across the smallest difference of radii that matters.
STEP_MM = 1.5
#: Descending aorta 18 to 30 mm across in health, ectatic to 40 mm (2010 ACC/AHA thoracic aortic guideline).
RADII_MM = (9.0, 10.5, 12.0, 13.5, 15.0, 17.0, 19.0, 21.0)
DIRECTIONS = 24
#: Wall and its blur: inside is taken this far within the radius, outside this far beyond.
INSIDE_MM, OUTSIDE_MM = 3.0, 3.0
#: What a circle needs about its centre, in points.
REACH = round((RADII_MM[-1] + OUTSIDE_MM) / STEP_MM)
#: Blood differs this much from what surrounds it: fat and lung are far below, bone and calcified wall above.
EDGE_HU = 40.0
#: Blood from severe anaemia under a dark streak to a first pass of contrast agent.
BLOOD_HU = (-15.0, 700.0)
#: Share of the lumen near its own mean; vessel wall, oesophagus with air and lung hold less.
UNIFORM_WITHIN_HU = 60.0


@dataclass(frozen=True, slots=True)
class Circles:
    """Circles on a patch; arrays of shape (circles,).

    Attributes:
        row, column: centre, in points.
        radius_mm: one of `RADII_MM`.
        outline: share of the outline that is seen, times how even the lumen is; above 0.
    """

    row: npt.NDArray[np.intp]
    column: npt.NDArray[np.intp]
    radius_mm: FloatArray
    outline: FloatArray


def fitting_circles(patch: FloatImage, allowed: BoolImage) -> Circles:
    """The circles of every radius that fit at all about the allowed points.

    Args:
        patch: HU, points `STEP_MM` apart.
        allowed: where a centre may lie, same shape; nearer than `REACH` to the edges none is looked for.
    """
    inner = (slice(REACH, -REACH), slice(REACH, -REACH))
    found = []
    for radius_mm, lumen, spread in _lumens(patch):
        uniform = np.clip(2.0 - spread / (UNIFORM_WITHIN_HU / 2.0), 0.0, 1.0)
        fits = allowed[inner] & (uniform > 0.0) & (lumen > BLOOD_HU[0]) & (lumen < BLOOD_HU[1])
        row, column = (axis + REACH for axis in np.nonzero(fits))
        outline = uniform[fits] * _seen(patch, row * patch.shape[1] + column, lumen[fits], radius_mm)
        found.append((row, column, np.full(row.size, radius_mm), outline))
    row, column, radius, outline = (np.concatenate(line) for line in zip(*found, strict=True))
    some = outline > 0.0
    return Circles(row[some], column[some], radius[some], outline[some])


def _lumens(patch: FloatImage) -> Iterator[tuple[float, FloatArray, FloatArray]]:
    """Every radius, with mean and spread within the wall about each point `REACH` off the edges."""
    values = patch.astype(np.float64)
    rows, columns = (size - 2 * REACH for size in patch.shape)
    # Sums over lines of points, as differences of running sums: a disc is a pile of lines.
    running = np.pad(np.cumsum([values, values**2], axis=2), ((0, 0), (0, 0), (1, 0)))
    for radius_mm in RADII_MM:
        radius = (radius_mm - INSIDE_MM) / STEP_MM
        total, points = np.zeros((2, rows, columns)), 0
        for down in range(-int(radius), int(radius) + 1):
            half = int(np.sqrt(radius**2 - down**2))
            lines = running[:, REACH + down : REACH + down + rows]
            total += lines[:, :, REACH + half + 1 : REACH + half + 1 + columns]
            total -= lines[:, :, REACH - half : REACH - half + columns]
            points += 2 * half + 1
        mean, square = total / points
        yield radius_mm, mean, np.sqrt(np.maximum(square - mean**2, 0.0))


def _seen(
    patch: FloatImage, centres: npt.NDArray[np.intp], lumen: FloatArray, radius_mm: float
) -> FloatArray:
    """The share of directions in which the wall is seen, about every centre (places in the flat patch)."""
    inside = patch.ravel()[centres[:, None] + _ring(patch, radius_mm - INSIDE_MM)]
    outside = patch.ravel()[centres[:, None] + _ring(patch, radius_mm + OUTSIDE_MM)]
    own = lumen.astype(np.float32)[:, None]
    seen = (np.abs(inside - own) < EDGE_HU) & (np.abs(outside - own) > EDGE_HU)
    return np.asarray(seen.mean(axis=1), dtype=np.float64)


def _ring(patch: FloatImage, radius_mm: float) -> npt.NDArray[np.intp]:
    """Where points on a ring lie from its centre, in the flat patch."""
    angles = 2.0 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    down, right = np.rint(np.stack([np.sin(angles), np.cos(angles)]) * radius_mm / STEP_MM).astype(np.intp)
    ring: npt.NDArray[np.intp] = down * patch.shape[1] + right
    return ring
