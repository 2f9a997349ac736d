"""When a run begins no further study, because its archive has stopped answering."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.shift import MAX_UNAVAILABLE, Shift
from tasks.outcomes import Reason
from tasks.publish.lake import Lake

GONE = Reason.ARCHIVE_UNAVAILABLE


@pytest.mark.parametrize(
    ("heard", "is_over"),
    [
        ([GONE] * MAX_UNAVAILABLE, True),
        ([GONE] * (MAX_UNAVAILABLE - 1), False),
        ([*[GONE] * (MAX_UNAVAILABLE - 1), None, GONE], False),
        ([*[GONE] * (MAX_UNAVAILABLE - 1), Reason.THICK_SLICES, GONE], False),
        ([*[GONE] * (MAX_UNAVAILABLE - 1), Reason.NOT_CT, GONE], True),  # nothing was asked for what is no CT
        ([Reason.NOT_CT] * MAX_UNAVAILABLE, False),
    ],
)
def test_an_archive_that_stays_silent_ends_the_shift(
    heard: list[Reason | None], is_over: bool, tmp_path: Path
) -> None:
    shift = Shift(Lake(tmp_path))
    for reason in heard:
        shift.silence.hear(reason)
    assert shift.is_over() is is_over
