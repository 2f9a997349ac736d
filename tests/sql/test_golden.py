"""The analysts' SQL over a small lake whose answers were worked out by hand."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tasks.outcomes import Reason
from tasks.publish.database import SQL_FOLDER, analyst_queries, build_database
from tasks.publish.lake import Lake
from tasks.publish.query import run_sql
from tasks.publish.result import StudyResult
from tasks.schema import Decision, ReviewRow, RunRow, RunStatus, ScreeningRow, Tier
from tests.publish.results import moment
from tests.rows import refused, scored, vertebra


def study(uid: str, tier: Tier, probability: float, margin: float = 0.0, **values: Any) -> ScreeningRow:  # noqa: ANN401
    return scored(
        study_uid=uid,
        risk_tier=tier,
        probability=probability,
        attenuation_margin_hu=margin,
        **{"model_label": "validated here"} | values,
    )


def review(uid: str, decision: Decision, hour: int) -> ReviewRow:
    return ReviewRow(
        review_id=f"r{uid}{hour}", reviewed_at=moment(hour), reviewer="R", study_uid=uid, decision=decision
    )


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


def ask(lake: Lake, name: str) -> list[dict[str, Any]]:
    """A file's answer, run by itself in a bare DuckDB."""
    with duckdb.connect() as connection:
        connection.execute("SET VARIABLE lake = ?", [str(lake.root)])
        answer: list[dict[str, Any]] = (
            connection.sql((SQL_FOLDER / f"{name}.sql").read_text(encoding="utf-8"))
            .to_arrow_table()
            .to_pylist()
        )
        return answer


def test_worklist(lake: Lake) -> None:
    answer = ask(lake, "worklist")
    assert [row["study_uid"] for row in answer] == ["3", "5", "4", "7", "8", "9", "2", "1"]
    assert [row["place"] for row in answer] == list(range(1, 9))
    assert {row["study_uid"]: row["last_decision"] for row in answer}["7"] == "later"


@pytest.mark.parametrize(
    ("label", "order"), [("phantom-reference", ["2", "1", "3"]), ("validated here", ["1", "2", "3"])]
)
def test_only_validated_weights_order_a_tier(label: str, order: list[str], tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = [
        study("1", Tier.HIGH, 0.9, -5.0, model_label=label),
        study("2", Tier.HIGH, 0.6, -30.0, model_label=label),
        study("3", Tier.INTERMEDIATE, 0.95, -60.0, model_label=label),
    ]
    lake.publish(StudyResult(row, ()) for row in rows)
    assert [row["study_uid"] for row in ask(lake, "worklist")] == order


def test_screenings_latest(lake: Lake) -> None:
    answer = ask(lake, "screenings_latest")
    assert len(answer) == 11
    (nine,) = [row for row in answer if row["study_uid"] == "9"]
    assert (nine["content_key"], nine["model_version"]) == ("whole", "1")
    assert {row["study_uid"]: row["study_month"] for row in answer}["1"] == "2025-12"


def test_vertebrae_latest(lake: Lake) -> None:
    answer = ask(lake, "vertebrae_latest")
    assert [(row["study_uid"], row["content_key"], row["patient_key"]) for row in answer] == [
        ("9", "whole", "p1")
    ]


def test_refusals(lake: Lake) -> None:
    answer = ask(lake, "refusals")
    assert [(row["outcome"], row["reason"], row["studies"]) for row in answer] == [
        ("excluded", "thick_slices", 1),
        ("failed", "unreadable_file", 1),
    ]
    assert answer[0]["share"] == pytest.approx(1 / 11, abs=1e-4)
    assert answer[0]["examples"] == ["8.0 mm"]
    assert answer[1]["last_screened_at"] == datetime(2026, 1, 11, 6, tzinfo=UTC)


def test_nights(lake: Lake) -> None:
    second, first = ask(lake, "nights")
    assert (first["run_id"], first["is_complete"], first["studies_per_minute"]) == ("run-1", True, 10.0)
    assert first["share_of_slices_read"] == 0.333
    # of run-1: 3 4 5 6 7 8 and the half of 9 are high, 2 intermediate, 1 and the half of 9 under model 0 low
    assert (first["high"], first["intermediate"], first["low"]) == (7, 1, 2)
    assert (second["run_id"], second["is_complete"], second["high"]) == ("run-2", False, 1)


@pytest.mark.parametrize("name", sorted(analyst_queries()))
def test_every_file_runs_by_itself_confined_and_in_the_database(
    lake: Lake, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = ask(lake, name)
    assert alone
    assert run_sql(lake, analyst_queries()[name]).to_pylist() == alone
    monkeypatch.chdir(lake.root)
    with duckdb.connect() as connection:
        assert connection.sql(analyst_queries()[name]).to_arrow_table().to_pylist() == alone
    build_database(lake)
    with duckdb.connect(str(lake.database), read_only=True) as connection:
        assert connection.sql(f"FROM {name}").to_arrow_table().to_pylist() == alone


def test_every_file_says_how_to_run_it() -> None:
    for name, text in analyst_queries().items():
        head = text[: text.index("\nWITH") if "\nWITH" in text else text.index("\nSELECT")]
        assert all(line.startswith("--") for line in head.splitlines())
        assert f"{name}.sql" in head


def test_what_stands_today_is_the_same_in_every_file() -> None:
    """Each file must run by itself, so none can use another's answer: the rule is written in each."""
    rules = {
        name: re.findall(
            r"WHERE superseded_at IS NULL\s+(?:--.*\s+)?(QUALIFY row_number.*screened_at.*)", text
        )
        for name, text in analyst_queries().items()
        if "superseded_at" in text
    }
    assert set(rules) == {"screenings_latest", "vertebrae_latest", "refusals", "worklist"}
    assert {len(found) for found in rules.values()} == {1}
    assert len({rule for found in rules.values() for rule in found}) == 1


def test_the_database_opens_elsewhere_and_tells_what_columns_mean(lake: Lake, tmp_path: Path) -> None:
    moved = shutil.copy(build_database(lake), tmp_path / "moved.duckdb")
    with duckdb.connect(str(moved), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM screenings").fetchall() == [(13,)]
        assert connection.execute(
            "SELECT sentence FROM refusals JOIN reasons USING (reason) WHERE reason = 'thick_slices'"
        ).fetchall() == [(Reason.THICK_SLICES.sentence,)]
        ((comment,),) = connection.execute(
            "SELECT comment FROM duckdb_columns() "
            "WHERE table_name = 'worklist' AND column_name = 'probability'"
        ).fetchall()
    assert "Calibrated probability" in comment
