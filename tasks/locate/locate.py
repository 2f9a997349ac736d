"""Localisation of one study, in its order: from slices to the vertebrae that will be measured."""

from __future__ import annotations

from tasks.locate.anatomy import Anatomy
from tasks.locate.aorta import find_aorta
from tasks.locate.bloodpool import paraspinal_hu
from tasks.locate.bodies import find_bodies
from tasks.locate.choice import choose_bodies
from tasks.locate.column import find_column
from tasks.locate.contrast import check_contrast
from tasks.locate.levels import name_levels
from tasks.locate.lungs import find_lungs
from tasks.locate.metal import find_metal, without_metal
from tasks.locate.reference import check_orientation, check_scale
from tasks.locate.sampling import coarse_slices
from tasks.locate.sections import look_at
from tasks.locate.sizes import check_sizes
from tasks.outcomes import Excluded, Reason
from tasks.settings import Settings
from tasks.volume.geometry import Geometry, SliceStack


def locate(stack: SliceStack, settings: Settings) -> Anatomy:
    """Find the vertebrae of a study that are to be measured.

    What the image says about contrast agent is judged before the coverage, so that an enhanced scan is
    refused as what it is, however short.

    Raises:
        Excluded: `not_chest`, `spine_not_found`, `contrast_enhanced`, `spine_not_covered`,
            `implausible_anatomy`, `metal`.
        Failed: when slices cannot be read.
    """
    sections = look_at(stack, coarse_slices(stack.geometry))
    lungs = find_lungs(stack, sections)
    column = find_column(stack)
    aorta = find_aorta(stack, column, lungs, sections)
    muscle_hu = paraspinal_hu(lungs, sections, column)
    of_contrast = check_contrast(aorta, muscle_hu, lungs, sections, column, settings.contrast)
    _check_coverage(stack.geometry, settings.selection.min_coverage_mm)
    check_orientation(sections, column)
    check_scale(muscle_hu, aorta)
    bodies = find_bodies(stack, column, *lungs.spine_range_mm())
    bodies = name_levels(stack, column, bodies, lungs, sections, settings.levels)
    clean, of_metal = without_metal(
        bodies, find_metal(stack, bodies, sections, settings.metal), settings.metal
    )
    check_sizes(sections, bodies, clean)
    chosen, of_choice = choose_bodies(clean, settings.vertebrae, lungs.base_mm is not None)
    return Anatomy(column, chosen, aorta, muscle_hu, (*of_contrast, *of_metal, *of_choice))


def _check_coverage(geometry: Geometry, least_mm: float) -> None:
    covered_mm = geometry.coverage_mm + geometry.spacing_mm
    if covered_mm < least_mm:
        raise Excluded(
            Reason.SPINE_NOT_COVERED, f"{covered_mm:.0f} mm of the body, {least_mm:.0f} are needed"
        )
