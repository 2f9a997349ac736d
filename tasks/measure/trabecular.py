"""Attenuation of trabecular bone in one vertebral body: a disc in its front and middle, 5 mm thick.

This is how a radiologist places it by hand: away from the cortex, from the endplates, and from the
basivertebral vein, which enters the body from behind; and, within that, where the bone is even.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tasks.locate.anatomy import Body
from tasks.measure.doubts import Region, least_likeness, refuse_doubtful
from tasks.volume.geometry import Geometry, HuImage, SliceStack
from tasks.volume.slab import slab_weights

#: Radius of the region by hand; less in small bodies, so that it keeps away from the cortex.
RADIUS_MM = 7.0
#: Largest part of the body's half diameters that the region takes.
LARGEST_SHARE = 0.5
#: How far the region lies before the middle of the body, as part of its half depth: the vein is behind.
AHEAD = 0.2
#: Where else it may lie: to the side, mm, and before the middle. Sclerosis, osteophytes and the roots of the
#: endplates reach into one part of a body; even bone beside them stands for the trabeculae.
SIDES_MM = (-4.0, -2.0, 0.0, 2.0, 4.0)
AHEADS = (0.0, 0.1, 0.2, 0.3)
#: And no further: all of the region lies within this part of the outline, off the cortex and its blur.
LARGEST_REACH = 0.85
#: The usual place is left for clearly evener bone only: HU of standard deviation per mm, and per half depth.
SIDE_COST_HU, AHEAD_COST_HU = 5.0, 100.0
#: Evenness is judged over this, so that noise and single trabeculae do not decide.
EVEN_SIGMA_MM = 1.5
FloatImage = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Trabecular:
    """Attenuation of the trabecular bone of one vertebral body.

    Attributes:
        hu: mean over the region and the slab.
        sd_hu: standard deviation of the slab's pixels in the region.
        area_mm2: area of the region.
        x_mm, y_mm, z_mm: centre of the region, patient coordinates.
        radius_x_mm, radius_y_mm: half diameters of the (elliptic) region.
    """

    hu: float
    sd_hu: float
    area_mm2: float
    x_mm: float
    y_mm: float
    z_mm: float
    radius_x_mm: float
    radius_y_mm: float


def measure_trabecular(stack: SliceStack, body: Body) -> Trabecular:
    """Mean attenuation of trabecular bone about the middle of `body`.

    Raises:
        Excluded: `implausible_anatomy` when trabecular bone does not look so (`doubts.REGION_CHECKS`),
            `spine_not_covered` when the stack ends inside the slab.
        Failed: when slices cannot be read.
        ValueError: when the body lies outside of the stack.
    """
    geometry = stack.geometry
    radius_x = min(RADIUS_MM, LARGEST_SHARE * body.width_mm / 2)
    radius_y = min(RADIUS_MM, LARGEST_SHARE * body.depth_mm / 2)
    slab = slab_mean(stack, body.z_mm)
    smooth = ndimage.gaussian_filter(slab, EVEN_SIGMA_MM / geometry.pixel_mm)
    best_cost, uneven_hu, best = np.inf, np.inf, (body.x_mm, body.y_mm)
    for side_mm, ahead in _places(body, (radius_x, radius_y)):
        x_mm, y_mm = body.x_mm + side_mm, body.y_mm - ahead * body.depth_mm / 2
        spread = float(_values(smooth, geometry, (x_mm, y_mm), (radius_x, radius_y)).std())
        cost = spread + SIDE_COST_HU * abs(side_mm) + AHEAD_COST_HU * abs(ahead - AHEAD)
        if cost < best_cost:
            best_cost, uneven_hu, best = cost, spread, (x_mm, y_mm)
    values = _values(slab, geometry, best, (radius_x, radius_y))
    slices = list(slab_weights(geometry, body.z_mm))
    refuse_doubtful(
        Region(
            hu=float(values.mean()),
            uneven_hu=uneven_hu,
            slice_hu=tuple(
                float(_values(stack.hu(index), geometry, best, (radius_x, radius_y)).mean())
                for index in slices
            ),
            likeness=least_likeness(stack, slices),
        )
    )
    return Trabecular(
        hu=float(values.mean()),
        sd_hu=float(values.std()),
        area_mm2=float(values.size) * geometry.pixel_mm**2,
        x_mm=best[0],
        y_mm=best[1],
        z_mm=body.z_mm,
        radius_x_mm=radius_x,
        radius_y_mm=radius_y,
    )


def _places(body: Body, radii_mm: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Where a region may lie: mm to the side of the middle, and before it as part of the half depth."""
    half_width, half_depth = body.width_mm / 2, body.depth_mm / 2
    share = max(radii_mm[0] / half_width, radii_mm[1] / half_depth)
    for side_mm, ahead in product(SIDES_MM, AHEADS):
        if float(np.hypot(side_mm / half_width, ahead)) + share <= LARGEST_REACH:
            yield side_mm, ahead


def slab_mean(stack: SliceStack, z_mm: float) -> FloatImage:
    """Mean attenuation over a slab of axial slices about `z_mm`, shape (rows, columns), HU."""
    mean = np.zeros((stack.geometry.rows, stack.geometry.columns), dtype=np.float32)
    weights = slab_weights(stack.geometry, z_mm)
    stack.want(weights)
    for index, weight in weights.items():
        mean += np.float32(weight) * stack.hu(index)
    return mean


def _values(
    image: FloatImage | HuImage,
    geometry: Geometry,
    centre_mm: tuple[float, float],
    radii_mm: tuple[float, float],
) -> FloatImage | HuImage:
    """The pixels of an image inside of an ellipse."""
    row, column = geometry.to_pixel(*centre_mm)
    reach_x, reach_y = (int(radius / geometry.pixel_mm) + 2 for radius in radii_mm)
    top, left = max(int(row) - reach_y, 0), max(int(column) - reach_x, 0)
    part = image[top : max(int(row) + reach_y + 1, 0), left : max(int(column) + reach_x + 1, 0)]
    rows = (np.arange(part.shape[0])[:, None] + top - row) * geometry.pixel_mm / radii_mm[1]
    columns = (np.arange(part.shape[1])[None, :] + left - column) * geometry.pixel_mm / radii_mm[0]
    inside: FloatImage | HuImage = part[rows**2 + columns**2 <= 1.0]
    if inside.size == 0:
        raise ValueError("the vertebral body lies outside of the stack")
    return inside
