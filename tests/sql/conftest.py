"""The small lake that the analysts' SQL is asked about."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from tasks.outcomes import Reason
from tasks.publish.lake import Lake
from tasks.publish.result import StudyResult
from tasks.schema import Decision, RunRow, RunStatus, Tier
from tests.publish.results import moment
from tests.rows import refused, vertebra
from tests.sql.asking import review, study


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Eleven studies in two runs, screened at 3 h unless told otherwise.

    low: 1; intermediate: 2; high: 3 (p 0.9), 4 (p 0.8, margin −20), 5 (p 0.8, margin −40); reviewed: 6 is
    settled, 7 is put off, 8 was settled before it was screened again; 9 grew and was superseded by its whole;
    10 and 11 were refused.
    """
    lake = Lake(tmp_path_factory.mktemp("sql") / "lake")
    rows = [
        study("1", Tier.LOW, 0.95, study_date=date(2025, 12, 1)),
        study("2", Tier.INTERMEDIATE, 0.99),
        study("3", Tier.HIGH, 0.9),
        study("4", Tier.HIGH, 0.8, -20.0),
        study("5", Tier.HIGH, 0.8, -40.0),
        study("6", Tier.HIGH, 0.7),
        study("7", Tier.HIGH, 0.6),
        study("8", Tier.HIGH, 0.5, screened_at=moment(20)),
        study("9", Tier.HIGH, 0.99, content_key="half", screened_at=moment(2)),
        study("9", Tier.HIGH, 0.4, content_key="whole", screened_at=moment(4), run_id="run-2"),
        study("9", Tier.LOW, 0.1, content_key="half", model_version="0", screened_at=moment(1)),
        refused(Reason.THICK_SLICES, study_uid="10", detail="8.0 mm", manufacturer="GE"),
        refused(Reason.UNREADABLE_FILE, study_uid="11", study_date=None, screened_at=moment(30)),
    ]
    lake.publish(
        StudyResult(
            row,
            (vertebra(study_uid=row.study_uid, content_key=row.content_key, model_version=row.model_version),)
            if row.study_uid == "9"
            else (),
        )
        for row in rows
    )
    for item in (
        review("6", Decision.REFER_DXA, 9),
        review("7", Decision.REFER_DXA, 8),
        review("7", Decision.LATER, 9),
        review("8", Decision.NO_ACTION, 9),
    ):
        lake.add_review(item)
    run = RunRow(
        run_id="run-1",
        status=RunStatus.FINISHED,
        started_at=moment(1),
        pipeline_version="0.1.0",
        found=11,
        scored=9,
        excluded=1,
        failed=1,
        unchanged=1,
        seconds=60.0,
        slices_total=1000,
        slices_read=333,
    )
    lake.write_run(run, {})
    lake.write_run(
        replace(run, run_id="run-2", started_at=moment(4), found=2, scored=1, excluded=0, failed=0), {}
    )
    return lake
