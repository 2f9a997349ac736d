"""Metal and cement: in a vertebra, beside it, or elsewhere in the slices that were looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tasks.locate.anatomy import Body
from tasks.locate.masks import disc, opened
from tasks.locate.patches import grid_about, sample
from tasks.locate.sections import STEP_MM as SECTION_STEP_MM
from tasks.locate.sections import Section
from tasks.outcomes import Excluded, Reason, Warn
from tasks.settings import Metal
from tasks.volume.geometry import HuImage, SliceStack

FloatArray = npt.NDArray[np.float64]

#: What lies on the skin reaches this far in, with its blur.
SKIN_MM = 8.0
#: Points of the search for cement.
STEP_MM = 1.0
#: Single bright pixels are noise or a calcification; a wire or a screw has more in a slice.
LEAST_PIXELS = 4
#: Streaks spread in the slice: metal nearer to the centre than this spoils a body in the same slice.
STREAK_MM = 60.0
#: A screw or rod lies within this distance of the centre of the body: pedicle and arch included.
SPINE_MM = 45.0
#: Above and below the endplates, blur of the slices carries this far.
MARGIN_MM = 5.0
#: Part of the half diameters of a body within which only trabecular bone lies.
INNER = 0.75
#: Cement is solid: this survives in it, endplates and bony bridges do not.
CEMENT_OPEN_MM = 3.0


@dataclass(frozen=True, slots=True)
class MetalFindings:
    """What metal was seen.

    Attributes:
        spoiled: for each body, whether metal in the same slices is near enough to spoil it.
        in_spine: for each body, whether the metal or cement is in the vertebra itself.
        in_patient: metal anywhere under the skin in the slices; not electrodes, clothes or table.
    """

    spoiled: tuple[bool, ...]
    in_spine: tuple[bool, ...]
    in_patient: bool


def find_metal(
    stack: SliceStack, bodies: Sequence[Body], sections: Sequence[Section], limits: Metal
) -> MetalFindings:
    """Metal near `bodies`, in the slices of `sections` (decoded already)."""
    spots = {section.index: _metal_xy_mm(stack, section.index, limits) for section in sections}
    spoiled, in_spine = [], []
    for body in bodies:
        slices = [section.index for section in sections if _touches(body, section.z_mm)]
        distances = np.concatenate([_distance_mm(body, spots[index]) for index in slices] or [np.empty(0)])
        nearest = float(distances.min()) if distances.size else np.inf
        filled = any(_has_cement(stack.hu(index), stack, body, limits) for index in slices)
        in_spine.append(filled or nearest < SPINE_MM)
        spoiled.append(filled or nearest < STREAK_MM)
    in_patient = any(_in_patient(section, spots[section.index]) for section in sections)
    return MetalFindings(tuple(spoiled), tuple(in_spine), in_patient)


def without_metal(
    bodies: Sequence[Body], metal: MetalFindings, limits: Metal
) -> tuple[tuple[Body, ...], tuple[Warn, ...]]:
    """The bodies that metal does not spoil, with a warning when there is any metal.

    Raises:
        Excluded: `metal` when too few bodies remain.
    """
    clean = tuple(body for body, spoiled in zip(bodies, metal.spoiled, strict=True) if not spoiled)
    if any(metal.spoiled) and len(clean) < limits.min_bodies:
        raise Excluded(
            Reason.METAL,
            f"{sum(metal.in_spine)} of {len(bodies)} vertebrae hold metal or cement, "
            f"{sum(metal.spoiled)} are spoiled by it",
        )
    return clean, (Warn.METAL_NEARBY,) if metal.in_patient or any(metal.spoiled) else ()


def _touches(body: Body, z_mm: float) -> bool:
    return body.bottom_mm - MARGIN_MM <= z_mm <= body.top_mm + MARGIN_MM


def _metal_xy_mm(stack: SliceStack, index: int, limits: Metal) -> FloatArray:
    """Patient (x, y) of the metal pixels of a slice, shape (pixels, 2)."""
    rows, columns = np.nonzero(stack.hu(index) >= limits.metal_hu)
    if rows.size < LEAST_PIXELS:
        return np.empty((0, 2))
    x_mm, y_mm = stack.geometry.origin_mm
    pixel = stack.geometry.pixel_mm
    return np.stack([x_mm + columns * pixel, y_mm + rows * pixel], axis=1)


def _in_patient(section: Section, points: FloatArray) -> bool:
    if len(points) == 0:
        return False
    inner = ndimage.binary_erosion(section.body, iterations=round(SKIN_MM / SECTION_STEP_MM))
    rows, columns = section.place(points[:, 0], points[:, 1])
    rows = np.clip(np.rint(rows).astype(np.intp), 0, inner.shape[0] - 1)
    columns = np.clip(np.rint(columns).astype(np.intp), 0, inner.shape[1] - 1)
    return int(inner[rows, columns].sum()) >= LEAST_PIXELS


def _distance_mm(body: Body, points: FloatArray) -> FloatArray:
    distance: FloatArray = np.hypot(points[:, 0] - body.x_mm, points[:, 1] - body.y_mm)
    return distance


def _has_cement(hu: HuImage, stack: SliceStack, body: Body, limits: Metal) -> bool:
    grid = grid_about(body.x_mm, body.y_mm, body.width_mm / 2, body.depth_mm / 2, body.depth_mm / 2, STEP_MM)
    patch = sample(hu, stack.geometry, grid)
    y, x = np.mgrid[0 : grid.rows, 0 : grid.columns] * STEP_MM
    aside, behind = x + grid.x_mm - body.x_mm, y + grid.y_mm - body.y_mm
    inside = np.hypot(aside / (INNER * body.width_mm / 2), behind / (INNER * body.depth_mm / 2)) <= 1.0
    solid = opened(inside & (patch >= limits.cement_hu), disc(CEMENT_OPEN_MM, STEP_MM))
    return float(solid.sum()) * STEP_MM**2 >= limits.min_cement_mm2
