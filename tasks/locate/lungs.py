"""The lungs on coarse slices: how far they reach, where the airway divides, whether this is a chest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from tasks.locate.airway import find_carina
from tasks.locate.masks import BoolImage, parts
from tasks.locate.sections import STEP_MM, Section
from tasks.outcomes import Excluded, Reason
from tasks.volume.geometry import SliceStack

#: A chest has a slice with at least this much aerated lung, even with one lung opacified and the other small;
#: a head (sinuses, airway), a pelvis (bowel) or an abdomen with the tips of the lungs has not.
LEAST_CHEST_CM2 = 40.0
#: How much of an island of air must lie under (over) lung of the neighbouring slice to be lung itself.
LEAST_OVERLAP = 0.5
#: Lung moves sideways this much from one coarse slice to the next at the most, along a steep diaphragm.
SHIFT_MM = 10.0
#: Above the largest slice there is no bowel: an island of this size is lung, cut off by tumour or heart.
SURE_LUNG_CM2 = 10.0
#: A slice still shows lung while this much is left; the tip of the recess tapers into less.
LEAST_AREA_CM2 = 2.0
#: The airway divides in the upper half of the lungs, looked for from this part of their height (0 the base)
#: to this far above them, where the trachea stands alone.
AIRWAY_FROM, NECK_MM = 0.4, 60.0
#: T8 lies above the base of the lungs, and L2 this much below it: three vertebrae of 35 mm (with discs) for a
#: base as high as T12, and one more for a high diaphragm.
BELOW_BASE_MM = 140.0


@dataclass(frozen=True, slots=True)
class Lungs:
    """How far the lungs reach.

    Attributes:
        z_mm, area_cm2: aerated lung in every section, caudal first.
        apex_mm: patient z of the highest lung; None when the stack begins below it.
        base_mm: patient z of the lowest lung (posterior costophrenic recess); None when not covered.
        carina_mm: patient z of the tracheal bifurcation; None when it is not covered or not seen.
        spacing_mm: distance of the sections, which is the precision of these.
    """

    z_mm: tuple[float, ...]
    area_cm2: tuple[float, ...]
    apex_mm: float | None
    base_mm: float | None
    carina_mm: float | None
    spacing_mm: float

    def spine_range_mm(self) -> tuple[float, float]:
        """Lowest and highest patient z between which T8 to L2 must lie, as far as it is covered.

        In a whole-body scan this leaves out the lumbar spine below L2, the pelvis and the neck.
        """
        bottom = self.z_mm[0] if self.base_mm is None else max(self.base_mm - BELOW_BASE_MM, self.z_mm[0])
        tops = [z for z in (self.carina_mm, self.apex_mm, self.z_mm[-1]) if z is not None]
        return bottom, min(tops)


def find_lungs(stack: SliceStack, sections: Sequence[Section]) -> Lungs:
    """The reach of the lungs in `sections` (caudal first, two or more, evenly spaced).

    Raises:
        Excluded: `not_chest` when no section shows as much lung as a chest has.
    """
    largest_cm2 = max((section.lung_area_cm2 for section in sections), default=0.0)
    if largest_cm2 < LEAST_CHEST_CM2:
        raise Excluded(
            Reason.NOT_CHEST, f"largest aerated area {largest_cm2:.0f} cm2 of {LEAST_CHEST_CM2:.0f} cm2"
        )
    areas = [float(mask.sum()) * STEP_MM**2 / 100.0 for mask in lung_masks(sections)]
    z_mm = [section.z_mm for section in sections]
    spacing = float(np.median(np.diff(z_mm)))
    shown = np.flatnonzero(np.array(areas) >= LEAST_AREA_CM2)
    first, last = int(shown[0]), int(shown[-1])
    return Lungs(
        z_mm=tuple(z_mm),
        area_cm2=tuple(areas),
        apex_mm=None if last == len(sections) - 1 else z_mm[last] + spacing / 2.0,
        base_mm=None if first == 0 else z_mm[first] - spacing / 2.0,
        carina_mm=find_carina(stack, _airway_sections(sections, areas)),
        spacing_mm=spacing,
    )


def lung_masks(sections: Sequence[Section]) -> list[BoolImage]:
    """The lung of every section without bowel: what hangs together with the largest lung, slice by slice."""
    largest = int(np.argmax([section.lung_area_cm2 for section in sections]))
    masks = [np.zeros_like(section.lung) for section in sections]
    masks[largest] = sections[largest].lung
    for place in range(largest - 1, -1, -1):
        masks[place] = _continued(sections[place].lung, masks[place + 1], np.inf)
    for place in range(largest + 1, len(sections)):
        masks[place] = _continued(sections[place].lung, masks[place - 1], SURE_LUNG_CM2)
    return masks


def _continued(islands: BoolImage, neighbour: BoolImage, sure_cm2: float) -> BoolImage:
    reach = ndimage.binary_dilation(neighbour, iterations=round(SHIFT_MM / STEP_MM))
    kept = np.zeros_like(islands)
    for where, island in parts(islands):
        area_cm2 = float(island.sum()) * STEP_MM**2 / 100.0
        if area_cm2 >= sure_cm2 or float(reach[where][island].mean()) >= LEAST_OVERLAP:
            kept[where] |= island
    return kept


def _airway_sections(sections: Sequence[Section], areas: Sequence[float]) -> Sequence[Section]:
    shown = [section.z_mm for section, area in zip(sections, areas, strict=True) if area >= LEAST_AREA_CM2]
    low = shown[0] + AIRWAY_FROM * (shown[-1] - shown[0])
    return [section for section in sections if low <= section.z_mm <= shown[-1] + NECK_MM]
