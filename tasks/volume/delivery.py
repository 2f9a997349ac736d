"""Whether an image that was delivered is the one that the archive had listed."""

from __future__ import annotations

import math

from tasks.dicom.instance import Frame, Instance
from tasks.dicom.stack import Plane
from tasks.outcomes import Failed, Reason

# Positions are written to 0.001 or 0.01 mm, and direction cosines to 3 to 6 digits.
SAME_NUMBER = 0.05
_SAME = ("study_uid", "series_uid", "sop_instance_uid", "rows", "columns")


def check_delivered(plane: Plane, delivered: Instance) -> None:
    """Refuse an image other than the one whose place in the stack is known.

    Args:
        plane: as listed, from an index or a query.
        delivered: as the bytes themselves say.

    Raises:
        Failed: `unreadable_file`, naming what differs and no value of it.
    """
    listed = plane.instance
    for name in _SAME:
        if getattr(delivered, name) != getattr(listed, name):
            raise _other(name)
    if len(delivered.frames) != len(listed.frames):
        raise _other("number of frames")
    if not _agree(_numbers(delivered.frames[plane.frame]), _numbers(plane.header)):
        raise _other("position")
    if not _agree(delivered.pixel_spacing_mm or (), listed.pixel_spacing_mm or ()):
        raise _other("pixel spacing")


def _numbers(frame: Frame) -> tuple[float, ...]:
    return (*(frame.position_mm or ()), *(frame.orientation or ()))


def _agree(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return len(one) == len(other) and all(
        math.isclose(a, b, rel_tol=0.0, abs_tol=SAME_NUMBER) for a, b in zip(one, other, strict=True)
    )


def _other(what: str) -> Failed:
    return Failed(Reason.UNREADABLE_FILE, f"an image was delivered with another {what} than listed")
