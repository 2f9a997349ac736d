"""The headers of a series, from what an index tells of each instance and the few that settle the rest.

An index may tell everything (Orthanc), or UIDs and instance numbers only. Whatever it tells is believed only
as far as instances that were fetched bear it out; what it does not tell is taken from them where they agree,
and positions between them are put on the straight line that they lie on. Each image that is used later is
held against its prediction. In any doubt all instances of the series are fetched.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from tasks.archive.dimse.association import RETRIEVED_CLASSES
from tasks.dicom.fields import as_vector
from tasks.dicom.instance import Frame, Identity, Instance
from tasks.dicom.stack import is_placed

# Below this the instances that settle a series would be most of it.
FEWEST_TO_PREDICT = 16
# Positions are written to 0.01 mm or finer, and steps that are no round number are rounded in each.
SAME_POSITION_MM = 0.02
# Headers are written to six digits after the point at most: what arithmetic leaves beyond them is cut off.
WRITTEN_DIGITS = 6
# What an image that comes later may differ by: rounding twice.
AS_PREDICTED_MM = 2 * SAME_POSITION_MM
# Slices of CT lie at least this far apart; less is one position written twice.
SMALLEST_STEP_MM = 0.1

# What belongs to one file, or is known of each instance anyway; never compared, never passed on.
_OWN = frozenset(
    {
        "source",
        "size_bytes",
        "study_uid",
        "series_uid",
        "sop_instance_uid",
        "content_token",
        "identity",
        "frames",
        "instance_number",
        "slice_location_mm",
        "pixel_offset",
        "pixel_length",
        "padding_value",
        "padding_limit",
        "frame_of_reference_uid",
        "problem",
    }
)
_COMPARED = tuple(field.name for field in dataclasses.fields(Instance) if field.name not in _OWN)
_IDENTITY = tuple(field.name for field in dataclasses.fields(Identity))

Fetch = Callable[[Sequence[str]], Mapping[str, Instance]]
"""Given SOPInstanceUIDs, the real headers of those instances by UID; without what is no image."""


T = TypeVar("T")
_NO_IMAGE = "no image that could be fetched and read"


class _Doubt(Exception):  # noqa: N818 - control flow inside this module
    """The instances that were fetched do not settle the others."""


def headers_of(listed: Sequence[Instance], fetch: Fetch, *, is_trusted: bool = True) -> tuple[Instance, ...]:
    """The headers of a series' instances.

    Args:
        listed: as the index told them, one for each instance.
        fetch: gives real headers.
        is_trusted: False where an image turned out to be other than predicted: nothing is, then.

    Returns:
        One header for each, in the order of `listed`; those that were fetched are the real ones.
    """
    images = [instance for instance in listed if instance.sop_class_uid in ("", *RETRIEVED_CLASSES)]
    try:
        if not is_trusted:
            raise _Doubt
        telling = _telling(images)
        samples = fetch(telling)
        if len(samples) < len(telling):
            raise _Doubt
        headers = _predicted(images, samples)
    except _Doubt:
        headers = dict(fetch([instance.sop_instance_uid for instance in images]))
    return tuple(headers.get(item.sop_instance_uid) or replace(item, problem=_NO_IMAGE) for item in listed)


def is_as_listed(listed: Instance, real: Instance) -> bool:
    """Whether an image that came is where, and as large as, its header of `headers_of` says."""
    return (
        (listed.rows, listed.columns, listed.transfer_syntax_uid)
        == (real.rows, real.columns, real.transfer_syntax_uid)
        and len(listed.frames) == len(real.frames)
        and _close(listed.pixel_spacing_mm, real.pixel_spacing_mm)
        and _close(_one(listed.slice_location_mm), _one(real.slice_location_mm))
        and all(
            _close(one.position_mm, other.position_mm) and _close(one.orientation, other.orientation)
            for one, other in zip(listed.frames, real.frames, strict=True)
        )
    )


def _close(one: Sequence[float] | None, other: Sequence[float] | None) -> bool:
    if one is None or other is None:
        return one == other
    return all(abs(a - b) <= AS_PREDICTED_MM for a, b in zip(one, other, strict=True))


def _one(number: float | None) -> tuple[float] | None:
    return None if number is None else (number,)


def _telling(listed: Sequence[Instance]) -> list[str]:
    """The UIDs of the fewest instances that may settle the others.

    Raises:
        _Doubt: none can.
    """
    if len(listed) < FEWEST_TO_PREDICT:
        raise _Doubt
    if _tells_places(listed):
        ordered = sorted(listed, key=lambda item: (item.instance_number or 0, item.sop_instance_uid))
        return [ordered[at].sop_instance_uid for at in (0, len(ordered) // 2, -1)]
    known = sorted(item.instance_number for item in listed if item.instance_number is not None)
    if not known or known != list(range(known[0], known[0] + len(listed))):
        raise _Doubt
    ordered = sorted(listed, key=_number)
    # neighbours at both ends, because interleaved reconstructions lie on one line with their like
    return [ordered[at].sop_instance_uid for at in (0, 1, len(ordered) // 2, -2, -1)]


def _tells_places(listed: Sequence[Instance]) -> bool:
    return all(len(instance.frames) == 1 and is_placed(instance.frames[0]) for instance in listed)


def _predicted(listed: Sequence[Instance], samples: Mapping[str, Instance]) -> dict[str, Instance]:
    """All headers, by UID.

    Raises:
        _Doubt: the samples contradict the index or each other.
    """
    real = list(samples.values())
    numbers = {instance.sop_instance_uid: instance.instance_number for instance in listed}
    if any(sample.problem or len(sample.frames) != 1 for sample in real):
        raise _Doubt
    if any(numbers[uid] != sample.instance_number for uid, sample in samples.items()):
        raise _Doubt
    shared = _shared(listed, samples)
    identity = Identity(**{name: _same([getattr(s.identity, name) for s in real]) for name in _IDENTITY})
    frames = _told_frames(listed, samples) if _tells_places(listed) else _frames_on_a_line(listed, samples)
    locations = _locations(listed, samples)
    headers = {
        instance.sop_instance_uid: replace(
            instance,
            **shared,
            identity=identity,
            frames=(frames[instance.sop_instance_uid],),
            slice_location_mm=locations[instance.sop_instance_uid],
            problem="",
        )
        for instance in listed
    }
    return {**headers, **samples}


def _shared(listed: Sequence[Instance], samples: Mapping[str, Instance]) -> dict[str, Any]:
    """The fields that the index does not tell, with the value that all samples have."""
    shared: dict[str, Any] = {}
    for name in _COMPARED:
        told = {instance.sop_instance_uid: getattr(instance, name) for instance in listed}
        if any(told[uid] != getattr(sample, name) for uid, sample in samples.items()):
            _same(list(told.values()))  # an index that tells each another value, and a wrong one
            shared[name] = _same([getattr(sample, name) for sample in samples.values()])
    return shared


def _same(values: Sequence[T]) -> T:
    if any(value != values[0] for value in values):
        raise _Doubt
    return values[0]


def _told_frames(listed: Sequence[Instance], samples: Mapping[str, Instance]) -> dict[str, Frame]:
    """Places from the index, rescale from it too where it is borne out, else from the samples."""
    told = {instance.sop_instance_uid: instance.frames[0] for instance in listed}
    if all(told[uid] == sample.frames[0] for uid, sample in samples.items()):
        return told
    slope, intercept = _rescale(samples)
    frames = {uid: replace(frame, slope=slope, intercept=intercept) for uid, frame in told.items()}
    if any(frames[uid] != sample.frames[0] for uid, sample in samples.items()):
        raise _Doubt
    return frames


def _frames_on_a_line(listed: Sequence[Instance], samples: Mapping[str, Instance]) -> dict[str, Frame]:
    """Places on the line through first and last, in equal steps of the instance number."""
    frames = [sample.frames[0] for sample in samples.values()]
    if not all(map(is_placed, frames)):
        raise _Doubt
    orientation = _same([frame.orientation for frame in frames])
    slope, intercept = _rescale(samples)
    place = _line([(_number(sample), sample.frames[0].position_mm or ()) for sample in samples.values()])
    if math.dist(place(0), place(1)) < SMALLEST_STEP_MM:
        raise _Doubt
    return {
        instance.sop_instance_uid: Frame(as_vector(place(_number(instance))), orientation, slope, intercept)
        for instance in listed
    }


def _locations(listed: Sequence[Instance], samples: Mapping[str, Instance]) -> dict[str, float | None]:
    """SliceLocation of each: from the index where it is borne out, else none, else on a line too."""
    told = {instance.sop_instance_uid: instance.slice_location_mm for instance in listed}
    real = {uid: sample.slice_location_mm for uid, sample in samples.items()}
    if all(told[uid] == location for uid, location in real.items()):
        return told
    known = {uid: location for uid, location in real.items() if location is not None}
    if not known:
        return dict.fromkeys(told)
    if len(known) < len(real):
        raise _Doubt
    place = _line([(_number(samples[uid]), (location,)) for uid, location in known.items()])
    return {instance.sop_instance_uid: place(_number(instance))[0] for instance in listed}


def _line(points: Sequence[tuple[int, Sequence[float]]]) -> Callable[[int], tuple[float, ...]]:
    """Where each number lies on the line through the points of the lowest and the highest number.

    Raises:
        _Doubt: another point does not lie there.
    """
    (low, start), *_, (high, end) = sorted(points)
    if low == high:
        raise _Doubt

    def place(number: int) -> tuple[float, ...]:
        part = (number - low) / (high - low)
        return tuple(
            a if a == b else round(a + part * (b - a), WRITTEN_DIGITS)
            for a, b in zip(start, end, strict=True)
        )

    for number, point in points:
        if any(abs(a - b) > SAME_POSITION_MM for a, b in zip(place(number), point, strict=True)):
            raise _Doubt
    return place


def _rescale(samples: Mapping[str, Instance]) -> tuple[float, float]:
    return _same([(sample.frames[0].slope, sample.frames[0].intercept) for sample in samples.values()])


def _number(instance: Instance) -> int:
    if instance.instance_number is None:
        raise _Doubt
    return instance.instance_number
