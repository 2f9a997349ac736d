"""The coarse slices of a study, each on one millimetre grid with the outlines of body and lungs.

What is looked for on coarse slices (lungs, airway, aorta, blood pool, levels) is looked for here, so that the
same slice is resampled once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tasks.locate.masks import BoolImage, disc, largest, opened, parts
from tasks.locate.patches import FloatImage, Grid, sample
from tasks.volume.geometry import SliceStack

FloatArray = npt.NDArray[np.float64]

#: Fine enough for a costophrenic recess, coarse enough that a chest slice has 60,000 points.
STEP_MM = 2.0
#: Between fat (−100) and aerated lung (−400 and below), for the outline of the body.
BODY_FROM_HU = -300.0
#: The table's shell and blankets are thinner than this; an arm or a chest wall is not.
THIN_MM = 6.0
#: Lung at the end of expiration is below −400; fat, fluid and consolidation are above.
LUNG_TO_HU = -400.0
#: A quarter of the pixels of any lung lie above this (vessels, septa), even in emphysema (below −950); of gas
#: in bowel, stomach or trachea (−1000, blurred up to −940) they do not.
PARENCHYMA_FROM_HU = -925.0
#: Smaller islands of air are airway, bowel or noise.
LEAST_LUNG_CM2 = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """One coarse slice.

    Attributes:
        index: its place in the stack.
        z_mm: its patient z.
        grid: where the points lie; `STEP_MM` apart, over the whole slice.
        hu: attenuation, shape (grid.rows, grid.columns), clipped to −1024 to 1200.
        body: within the skin, cavities included.
        lung: aerated tissue within the body. May hold bowel below the diaphragm: see `lung_masks`.
    """

    index: int
    z_mm: float
    grid: Grid
    hu: FloatImage
    body: BoolImage
    lung: BoolImage

    @property
    def lung_area_cm2(self) -> float:
        """Area of the lung mask."""
        return float(self.lung.sum()) * STEP_MM**2 / 100.0

    def place(self, x_mm: FloatArray, y_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Rows and columns on the grid of patient positions."""
        return (y_mm - self.grid.y_mm) / STEP_MM, (x_mm - self.grid.x_mm) / STEP_MM


def look_at(stack: SliceStack, coarse: Sequence[int]) -> tuple[Section, ...]:
    """The slices `coarse` (ascending indices) as sections, caudal first.

    Raises:
        Failed: as `SliceStack.hu` does.
    """
    geometry = stack.geometry
    width = geometry.pixel_mm * geometry.columns
    height = geometry.pixel_mm * geometry.rows
    grid = Grid(
        geometry.origin_mm[0], geometry.origin_mm[1], int(width / STEP_MM), int(height / STEP_MM), STEP_MM
    )
    stack.want(coarse)
    sections = []
    for index in coarse:
        hu = sample(stack.hu(index), geometry, grid)
        body = body_outline(hu)
        sections.append(Section(index, geometry.z_mm[index], grid, hu, body, _lung(hu, body)))
    return tuple(sections)


def body_outline(hu: FloatImage) -> BoolImage:
    """The largest thing in the slice that is thick enough to be a body, cavities filled.

    Arms that touch the chest belong to it; arms apart do not. Empty when the slice shows only air.
    """
    solid = opened(hu > BODY_FROM_HU, disc(THIN_MM / 2, STEP_MM))
    body = ndimage.binary_fill_holes(largest(solid))
    return np.asarray(body, dtype=np.bool_)


def _lung(hu: FloatImage, body: BoolImage) -> BoolImage:
    aerated = opened(body & (hu < LUNG_TO_HU), disc(STEP_MM, STEP_MM))
    lung = np.zeros_like(body)
    for where, island in parts(aerated, LEAST_LUNG_CM2 * 100.0 / STEP_MM**2):
        if float(np.percentile(hu[where][_core(island)], 75.0)) >= PARENCHYMA_FROM_HU:
            lung[where] |= island
    return lung


def _core(island: BoolImage) -> BoolImage:
    for depth in (2, 1):
        core = np.asarray(ndimage.binary_erosion(island, iterations=depth), dtype=np.bool_)
        if core.sum() >= 5:
            return core
    return island
