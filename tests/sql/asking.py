"""Rows for the tests of `sql/`, and the answers of its files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from tasks.publish.lake import Lake
from tasks.publish.result import StudyResult
from tasks.publish.views import SQL_FOLDER
from tasks.schema import Decision, ReviewRow, ScreeningRow, Tier
from tests.publish.results import moment
from tests.rows import scored


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


def lake_of(folder: Path, rows: Iterable[ScreeningRow], reviews: Iterable[ReviewRow] = ()) -> Lake:
    """A lake of these screenings and reviews alone."""
    lake = Lake(folder / "lake")
    lake.publish(StudyResult(row, ()) for row in rows)
    for item in reviews:
        lake.add_review(item)
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
