"""A study of which the archive's list was wrong about an image is read again, once."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from flows import study as study_room
from flows.findings import Bench, Findings, Work
from flows.study import screen_study
from tasks.dicom.source import Mislisted
from tasks.lifecycle import State
from tasks.outcomes import Excluded, Outcome, Reason
from tests.builders import axial_series, study
from tests.flows.benches import bench_at, work_of


@pytest.mark.parametrize(
    ("times", "outcome", "reason"),
    [
        (0, Outcome.EXCLUDED, Reason.METAL),
        (1, Outcome.EXCLUDED, Reason.METAL),
        (2, Outcome.FAILED, Reason.ARCHIVE_UNAVAILABLE),
    ],
)
def test_a_study_is_read_again_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, outcome: Outcome, reason: Reason
) -> None:
    left = times

    def step(bench: Bench, work: Work, findings: Findings) -> NoReturn:
        nonlocal left
        left -= 1
        if left >= 0:
            raise Mislisted
        raise Excluded(Reason.METAL)

    monkeypatch.setattr(study_room, "STEPS", ((step, State.SELECTED),))
    row = screen_study(bench_at(tmp_path), work_of(study(axial_series(20)))).screening
    assert (row.outcome, row.reason) == (outcome, reason)
    assert row.reason is None or row.reason.is_transient == (times == 2)
