"""Which vertebrae carry ribs, from bone beside the spine on coarse slices.

A rib leaves its vertebra and crosses a narrow band beside it at about the same height, the lower ones up to
20 mm further down. The transverse process of a lumbar vertebra ends before the band; the last rib, when it
passes a lumbar vertebra, lies outside of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.locate.anatomy import Body, Column
from tasks.locate.patches import grid_about, sample
from tasks.locate.sections import Section
from tasks.volume.geometry import SliceStack

STEP_MM = 1.5
#: The band: lumbar transverse processes end about 40 to 45 mm from the midline (L1, L2), and on real CT the
#: last rib was further out than 54 mm by the height of L1.
BAND_MM = (46.0, 54.0)
#: In front of and behind the canal; ribs leave towards the back.
AROUND_CANAL_MM = 36.0
#: Heights of the crossing, against the centre of the body.
ABOVE_CENTRE_MM, BELOW_CENTRE_MM = 8.0, 18.0
#: A demineralised rib, blurred over its 5 mm slice, stays above; muscle does not.
BONE_HU = 130.0
#: Cross-section of a rib in the band: 30 to 100 mm² on real CT.
LEAST_RIB_MM2 = 16.0


def ribs_seen(
    stack: SliceStack, column: Column, body: Body, sections: Sequence[Section]
) -> tuple[bool, bool] | None:
    """Whether a rib crosses beside `body` on the patient's right and left.

    Args:
        sections: coarse slices, decoded already, at most about 12 mm apart.

    Returns:
        None when the heights of the crossing are not covered: nothing can be said.
    """
    low, high = body.z_mm - BELOW_CENTRE_MM, body.z_mm + ABOVE_CENTRE_MM
    crossing = [section for section in sections if low <= section.z_mm <= high]
    lowest = min((section.z_mm for section in sections), default=np.inf)
    areas = np.array([_bone_mm2(stack, column, section) for section in crossing]).reshape(-1, 2)
    if areas.size == 0:
        return None
    right, left = bool(areas[:, 0].max() >= LEAST_RIB_MM2), bool(areas[:, 1].max() >= LEAST_RIB_MM2)
    if lowest > low + 4.0 and not (right or left):
        return None
    return right, left


def _bone_mm2(stack: SliceStack, column: Column, section: Section) -> tuple[float, float]:
    x, y = np.array(column.canal_xy_mm).T
    centre_x, centre_y = (float(np.interp(section.z_mm, column.z_mm, line)) for line in (x, y))
    half = BAND_MM[1] + STEP_MM
    grid = grid_about(centre_x, centre_y, half, AROUND_CANAL_MM, AROUND_CANAL_MM, STEP_MM)
    bone = sample(stack.hu(section.index), stack.geometry, grid) > BONE_HU
    aside = grid.x_mm + np.arange(grid.columns) * STEP_MM - centre_x
    right = bone[:, (aside <= -BAND_MM[0]) & (aside > -BAND_MM[1])]
    left = bone[:, (aside >= BAND_MM[0]) & (aside < BAND_MM[1])]
    return float(right.sum()) * STEP_MM**2, float(left.sum()) * STEP_MM**2
