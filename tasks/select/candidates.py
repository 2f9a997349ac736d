"""`Candidate`: images of one series that belong together, with the facts that the rules ask for.

A SeriesInstanceUID is no promise: scouts lie inside axial series, two acquisitions share one, and two grids.
Images are parted by what they are before any geometry is computed, so that one odd image cannot change it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from tasks.dicom.instance import Instance, Series, Study
from tasks.dicom.stack import Stack, stack_planes
from tasks.select.kernels import Kernel, kernel_class
from tasks.select.words import Contrast, Region, contrast_of_agent, contrast_of_description, region_of

# Gaps off the median by no more than this are how positions were written (two decimals), not how they lie.
ROUNDING_MM = 0.02
# RescaleType (PS3.3 C.11.1.1.2): HU, US for unspecified, and the name as people have spelt it.
_HOUNSFIELD = re.compile(r"(?:HU|US|HOUN\w*FIELD(?: UNITS?)?)?")
_LOCALIZER_TYPES = frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """Images of one series with one grid, orientation, kernel, voltage and thickness.

    Attributes:
        part: which part of its series, from 0.
        instances: headers that could be read; may be empty when none could.
        stack: their planes in order.
        unreadable: files of this series (or of an unknown one) whose headers could not be read.
        thickness_mm: how coarsely the body is sampled: the greater of slice thickness and spacing.
    """

    series_uid: str
    part: int
    instances: tuple[Instance, ...]
    stack: Stack
    unreadable: int
    kernel: Kernel
    contrast: Contrast
    region: Region
    thickness_mm: float

    @property
    def first(self) -> Instance | None:
        """Any header, for what all of them share; None when no header could be read."""
        return self.instances[0] if self.instances else None

    @property
    def is_derived(self) -> bool:
        """Whether ImageType says that the pixels were made from other images."""
        return self.first is not None and _is_derived(self.first)


class Acquisition(NamedTuple):
    """Images that were made in one go, and their planes in order."""

    instances: tuple[Instance, ...]
    stack: Stack


def irregular_gaps(stack: Stack, deviation: float) -> tuple[float, ...]:
    """Gaps (mm) that differ from the median gap by more than this fraction of it."""
    tolerance = max(deviation * stack.spacing_mm, ROUNDING_MM)
    return tuple(gap for gap in stack.gaps_mm if abs(gap - stack.spacing_mm) > tolerance)


def candidates_of(study: Study, max_spacing_deviation: float) -> tuple[Candidate, ...]:
    """Every candidate of a study, in no particular order; a study of unreadable files has an empty one."""
    found = [
        candidate for series in study.series for candidate in _candidates_of(series, max_spacing_deviation)
    ]
    if study.unreadable:
        found.append(_candidate("", 0, Acquisition((), Stack(planes=())), study.unreadable))
    return tuple(found)


def _candidates_of(series: Series, max_spacing_deviation: float) -> Iterator[Candidate]:
    unreadable = sum(1 for instance in series.instances if instance.problem)
    groups: dict[Hashable, list[Instance]] = defaultdict(list)
    for instance in series.instances:
        if not instance.problem:
            groups[_kind(instance)].append(instance)
    if not groups:
        yield _candidate(series.series_uid, 0, Acquisition(series.instances, Stack(planes=())), unreadable)
    acquisitions = (a for group in groups.values() for a in _acquisitions(group, max_spacing_deviation))
    for part, acquisition in enumerate(acquisitions):
        yield _candidate(series.series_uid, part, acquisition, unreadable)


def is_localizer(instance: Instance) -> bool:
    """Whether ImageType marks a projection."""
    return not _LOCALIZER_TYPES.isdisjoint(value.strip().upper() for value in instance.image_type)


def is_hounsfield(instance: Instance) -> bool:
    """Whether the rescaled values may be Hounsfield units: RescaleType says so, or says nothing."""
    units = (unit.strip().upper() for unit in instance.rescale_type.split("\\"))
    return all(_HOUNSFIELD.fullmatch(unit) for unit in units)


def _kind(instance: Instance) -> Hashable:
    """What images must share to be slices of one stack; digits that only rounding moves are dropped.

    FrameOfReferenceUID is not asked: de-identification has given every slice its own.
    """
    orientation = instance.frames[0].orientation if instance.frames else None
    return (
        instance.modality,
        instance.sop_class_uid,
        _is_derived(instance),
        is_localizer(instance),
        is_hounsfield(instance),
        instance.rows,
        instance.columns,
        tuple(round(edge, 3) for edge in instance.pixel_spacing_mm or ()),
        orientation and tuple(round(cosine, 1) + 0.0 for cosine in orientation),
        instance.kernel,
        instance.kvp,
        instance.slice_thickness_mm and round(instance.slice_thickness_mm, 1),
    )


def _is_derived(instance: Instance) -> bool:
    return bool(instance.image_type) and instance.image_type[0].strip().upper() == "DERIVED"


def _acquisitions(group: Sequence[Instance], max_spacing_deviation: float) -> list[Acquisition]:
    """The acquisitions in a group: parted where they lie over each other, or leave the whole uneven.

    Step-and-shoot scanners number every slice as an acquisition, so numbers alone part nothing.
    """
    whole = Acquisition(tuple(group), stack_planes(group))
    numbers = defaultdict(list)
    for instance in group:
        numbers[instance.acquisition_number or 0].append(instance)
    if whole.stack.duplicates:
        numbered = [numbers[number] for number in sorted(numbers)]
        return _apart(numbered) or _apart(_passes(whole.stack)) or [whole]
    if 1 < len(numbers) < len(group) and irregular_gaps(whole.stack, max_spacing_deviation):
        return [whole, *_apart([numbers[number] for number in sorted(numbers)])]
    return [whole]


def _apart(parts: Sequence[Sequence[Instance]]) -> list[Acquisition]:
    """Several acquisitions, none of which images a position twice; else nothing."""
    acquisitions = [Acquisition(tuple(part), stack_planes(part)) for part in parts]
    if len(acquisitions) < 2 or any(acquisition.stack.duplicates for acquisition in acquisitions):
        return []
    return acquisitions


def _passes(stack: Stack) -> list[list[Instance]]:
    """Scans over the same positions by instance number, where every position was imaged equally often.

    Only single-frame images: the frames of one object are one acquisition.
    """
    planes = [plane for plane in stack.planes + stack.duplicates if len(plane.instance.frames) == 1]
    unique = {plane.instance.sop_instance_uid: plane.instance for plane in planes}
    size = len(stack.planes)
    times, rest = divmod(len(unique), size)
    if rest or times < 2:
        return []
    in_order = sorted(unique.values(), key=lambda instance: instance.instance_number or 0)
    return [in_order[n * size : (n + 1) * size] for n in range(times)]


def _candidate(series_uid: str, part: int, acquisition: Acquisition, unreadable: int) -> Candidate:
    instances, stack = acquisition
    stated = [i.slice_thickness_mm for i in instances if i.slice_thickness_mm and i.slice_thickness_mm > 0]
    return Candidate(
        series_uid=series_uid,
        part=part,
        instances=instances,
        stack=stack,
        unreadable=unreadable,
        kernel=kernel_class(instances[0].kernel if instances else ""),
        contrast=_contrast(instances),
        region=_region(instances[0]) if instances else Region.UNKNOWN,
        thickness_mm=max(stack.spacing_mm, median(stated) if stated else 0.0),
    )


def _contrast(instances: Sequence[Instance]) -> Contrast:
    """An agent on any image outweighs words; the series' words outweigh the study's."""
    if not instances:
        return Contrast.UNKNOWN
    agents = {contrast_of_agent(agent) for agent in {i.contrast_agent for i in instances}}
    if Contrast.ENHANCED in agents:
        return Contrast.ENHANCED
    words = contrast_of_description(instances[0].series_description)
    if words is Contrast.UNKNOWN and Contrast.UNENHANCED in agents:
        return Contrast.UNENHANCED
    if words is Contrast.UNKNOWN:
        return contrast_of_description(instances[0].study_description)
    return words


def _region(instance: Instance) -> Region:
    """The series' own words first, then BodyPartExamined, then the study's; two that disagree say nothing."""
    own = region_of(instance.series_description)
    if own is not Region.UNKNOWN:
        return own
    part, study = region_of(instance.body_part), region_of(instance.study_description)
    if Region.UNKNOWN in (part, study):
        return study if part is Region.UNKNOWN else part
    return part if part is study else Region.UNKNOWN
