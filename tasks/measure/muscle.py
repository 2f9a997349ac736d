"""Paraspinal muscle at the height of a vertebra: area, attenuation and the index by stature.

What is measured, exactly: skeletal muscle (by attenuation) of the back, within 65 mm of the spinal canal
to either side, between the skin and the first bone or lung met from behind (lamina, transverse process, rib,
pleura). That is the erector spinae and transversospinal muscles with the parts of trapezius and latissimus
over them. The muscles of the front and side of the chest wall are not in it: at T12 no classical rule parts
them from liver, spleen and diaphragm with certainty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tasks.locate.anatomy import Anatomy, Body, Column
from tasks.locate.masks import BoolImage, disc, largest, opened
from tasks.locate.patches import FloatImage, Grid, grid_about, sample
from tasks.locate.sections import BODY_FROM_HU, LUNG_TO_HU
from tasks.settings import MuscleArea
from tasks.volume.geometry import SliceStack

STEP_MM = 1.0
#: Levels at which the area is comparable with the published one, best first: T12, then its neighbours.
LEVELS = ("T12", "L1", "T11")
#: The lateral border of the erector spinae lies 60 to 70 mm from the midline.
HALF_WIDTH_MM = 65.0
#: The grid reaches this far in front of the canal, and beyond the skin; no muscle of the back lies
#: in front of the centre of the canal.
FRONT_MM, BEHIND_MM = 45.0, 130.0
#: Noise takes no pixels out of the range of muscle after this, and fat between bundles stays visible.
SMOOTH_MM = 0.8
#: Bone, blurred, in the muscle's neighbourhood; the cortex of a demineralised rib stays above.
BONE_FROM_HU = 150.0
#: Spinous process and laminae: they do not end the muscle beside them.
MIDLINE_MM = 8.0
#: Gaps between bones (between two ribs in the slice) are bridged over this width.
BRIDGE_MM = 25.0
#: Skin is 2 to 4 mm thick on the back.
SKIN_MM = 4.0
#: The area of a living adult's paraspinal muscle at this height; outside of it something else was measured.
PLAUSIBLE_CM2 = (8.0, 110.0)
#: Sides differ by scoliosis and handedness; by more than this the outline has failed on one of them.
LARGEST_SIDE_RATIO = 1.6

LineOfDepths = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Muscle:
    """Paraspinal muscle in one slice.

    Attributes:
        area_cm2: area of skeletal muscle in the region that the module describes, both sides.
        hu: its mean attenuation.
        level: the vertebra at whose height it was measured; None when that has no name.
        z_mm: patient z of the slice.
    """

    area_cm2: float
    hu: float
    level: str | None
    z_mm: float


def measure_muscle(stack: SliceStack, anatomy: Anatomy, limits: MuscleArea) -> Muscle | None:
    """Paraspinal muscle at T12, or where that is not covered at L1 or T11.

    Decodes one slice, which the vertebra's own measurement needs as well.

    Returns:
        None when none of these levels is known, the back is cut off by the field of view, or what was found
        is not plausible: the caller warns `muscle_not_measured`.
    """
    body = _best_body(anatomy.bodies)
    if body is None:
        return None
    grid, canal_column = _grid(anatomy.column, body)
    index = stack.geometry.nearest(body.z_mm)
    hu = ndimage.gaussian_filter(sample(stack.hu(index), stack.geometry, grid), SMOOTH_MM / STEP_MM)
    region = _region(hu, canal_column)
    if region is None:
        return None
    muscle = region & (hu >= limits.low_hu) & (hu <= limits.high_hu)
    sides = muscle[:, :canal_column].sum(), muscle[:, canal_column:].sum()
    area_cm2 = float(sum(sides)) * STEP_MM**2 / 100.0
    if not PLAUSIBLE_CM2[0] <= area_cm2 <= PLAUSIBLE_CM2[1] or max(sides) > LARGEST_SIDE_RATIO * min(sides):
        return None
    return Muscle(area_cm2, float(hu[muscle].mean()), body.level, stack.geometry.z_mm[index])


def smi_cm2_m2(muscle: Muscle | None, height_m: float | None) -> float | None:
    """Muscle index: area by height squared; None without either, or with a height no adult has."""
    if muscle is None or height_m is None or not 1.2 <= height_m <= 2.3:
        return None
    return muscle.area_cm2 / height_m**2


def _best_body(bodies: tuple[Body, ...]) -> Body | None:
    named = {body.level: body for body in bodies}
    return next((named[level] for level in LEVELS if level in named), None)


def _grid(column: Column, body: Body) -> tuple[Grid, int]:
    """The grid over the back, and the column of the canal in it."""
    x, y = np.array(column.canal_xy_mm).T
    canal_x, canal_y = (float(np.interp(body.z_mm, column.z_mm, line)) for line in (x, y))
    grid = grid_about(canal_x, canal_y, HALF_WIDTH_MM, FRONT_MM, BEHIND_MM, STEP_MM)
    return grid, (grid.columns - 1) // 2


def _region(hu: FloatImage, canal_column: int) -> BoolImage | None:
    """Between the skin of the back and the first bone or lung in front of it; None when the skin is cut."""
    solid = largest(opened(hu > BODY_FROM_HU, disc(3.0, STEP_MM)))
    if not solid.any() or solid[-1].any():
        return None
    back = _last_true(solid) - SKIN_MM / STEP_MM
    bone = ndimage.binary_fill_holes(ndimage.binary_closing(hu > BONE_FROM_HU, disc(2.0, STEP_MM)))
    front = _front((bone | (hu < LUNG_TO_HU)) & _inside(solid), canal_column)
    if front is None:
        return None
    rows = np.arange(hu.shape[0])[:, None]
    region: BoolImage = (rows > front) & (rows < back) & ~bone
    return region


def _last_true(mask: BoolImage) -> LineOfDepths:
    """Row of the last true point in every column; −1 where there is none."""
    rows = mask.shape[0] - 1 - mask[::-1].argmax(axis=0)
    return np.where(mask.any(axis=0), rows, -1).astype(np.float64)


def _inside(solid: BoolImage) -> BoolImage:
    """Points with body behind them: lung, not the air of the room."""
    inside: BoolImage = np.logical_or.accumulate(solid[::-1], axis=0)[::-1]
    return inside


def _front(stop: BoolImage, canal_column: int) -> LineOfDepths | None:
    """Depth (row) at which the muscle ends in front, for every column: bone and pleura, bridged between."""
    depth = _last_true(stop)
    aside = np.abs(np.arange(depth.size) - canal_column) * STEP_MM
    met = (depth >= 0) & (aside >= MIDLINE_MM)
    if met.sum() < 0.3 * depth.size:
        return None
    filled = np.interp(np.arange(depth.size), np.flatnonzero(met), depth[met])
    size = round(BRIDGE_MM / STEP_MM)
    bridged = ndimage.grey_opening(ndimage.grey_closing(filled, (size,)), (round(MIDLINE_MM / STEP_MM),))
    return np.maximum(bridged, FRONT_MM / STEP_MM)
