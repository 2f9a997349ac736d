"""The analysts' SQL over a small lake whose answers were worked out by hand."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from tasks.outcomes import Reason
from tasks.publish.database import BASE_TABLES, build_database
from tasks.publish.lake import Lake
from tasks.publish.query import run_sql
from tasks.publish.views import analyst_queries
from tasks.schema import Tier
from tests.rows import refused
from tests.sql.asking import ask, lake_of, study


def test_worklist(lake: Lake) -> None:
    answer = ask(lake, "worklist")
    assert [row["study_uid"] for row in answer] == ["3", "5", "4", "7", "8", "9", "2", "1"]
    assert [row["place"] for row in answer] == list(range(1, 9))
    assert {row["study_uid"]: row["last_decision"] for row in answer}["7"] == "later"


@pytest.mark.parametrize(
    ("label", "order"), [("phantom-reference", ["2", "1", "3"]), ("validated here", ["1", "2", "3"])]
)
def test_only_validated_weights_order_a_tier(label: str, order: list[str], tmp_path: Path) -> None:
    rows = [
        study("1", Tier.HIGH, 0.9, -5.0, model_label=label),
        study("2", Tier.HIGH, 0.6, -30.0, model_label=label),
        study("3", Tier.INTERMEDIATE, 0.95, -60.0, model_label=label),
    ]
    assert [row["study_uid"] for row in ask(lake_of(tmp_path, rows), "worklist")] == order


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


@pytest.fixture(scope="module")
def database(lake: Lake) -> Path:
    return build_database(lake)


@pytest.mark.parametrize("name", sorted(analyst_queries()))
def test_every_file_runs_by_itself_confined_and_in_the_database(
    lake: Lake, database: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = ask(lake, name)
    assert alone
    assert run_sql(lake, analyst_queries()[name]).to_pylist() == alone
    monkeypatch.chdir(lake.root)
    with duckdb.connect() as connection:
        assert connection.sql(analyst_queries()[name]).to_arrow_table().to_pylist() == alone
    with duckdb.connect(str(database), read_only=True) as connection:
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
    assert set(rules) == set(analyst_queries()) - {"nights"}
    assert {len(found) for found in rules.values()} == {1}
    assert len({rule for found in rules.values() for rule in found}) == 1


def test_the_database_opens_elsewhere_and_joins_reasons(database: Path, tmp_path: Path) -> None:
    moved = shutil.copy(database, tmp_path / "moved.duckdb")
    with duckdb.connect(str(moved), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM screenings").fetchall() == [(13,)]
        assert connection.execute(
            "SELECT sentence FROM refusals JOIN reasons USING (reason) WHERE reason = 'thick_slices'"
        ).fetchall() == [(Reason.THICK_SLICES.sentence,)]


def test_every_table_and_column_says_what_it_means(database: Path) -> None:
    with duckdb.connect(str(database), read_only=True) as connection:
        tables = dict(connection.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall())
        columns = connection.execute(
            "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
    assert set(tables) >= {*BASE_TABLES, *analyst_queries()}
    assert [name for name, comment in tables.items() if not comment] == []
    assert [f"{table}.{column}" for table, column, comment in columns if not comment] == []
    comments = {(table, column): comment for table, column, comment in columns}
    assert "Calibrated probability" in comments["worklist", "probability"]
    assert comments["worklist", "place"] == "1 for the most urgent study."
    # vertebrae come first there: the tier of the vertebra, not that of the study
    assert "this vertebra" in comments["vertebrae_latest", "attenuation_tier"]


def test_a_header_explains_no_column_that_is_not_there(lake: Lake) -> None:
    for name, text in analyst_queries().items():
        explained = set(re.findall(r"^--   (\w+): ", text, re.MULTILINE))
        assert explained <= ask(lake, name)[0].keys(), name


@pytest.mark.parametrize("name", sorted(analyst_queries()))
def test_a_lake_without_a_score_date_or_header_has_answers_too(name: str, tmp_path: Path) -> None:
    bare = refused(Reason.UNREADABLE_FILE, study_date=None, manufacturer=None, scanner_model=None, site=None)
    answer = ask(lake_of(tmp_path, [bare]), name)
    about_every_study = {
        "screenings_latest",
        "refusals",
        "patient_history",
        "yield_by_site",
        "drift_refusals",
    }
    assert len(answer) == (1 if name in about_every_study else 0)
