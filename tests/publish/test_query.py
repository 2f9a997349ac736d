"""Queries read the lake and nothing else; answers come as text that can do no harm."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from rich.console import Console

from tasks.outcomes import ConfigurationError
from tasks.publish import query
from tasks.publish.lake import Lake
from tasks.publish.query import run_sql, worklist
from tasks.publish.show import NOT_RULED_OUT, as_csv, as_json, as_table, worklist_table
from tests.publish.results import result


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("query") / "a lake's [folder] *é夜?")
    lake.publish([result("1", hour=3), result("2", hour=30)])
    return lake


def text(table: object) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


@pytest.mark.parametrize(
    "question",
    [
        "SELECT count(*) FROM screenings",
        "FROM vertebrae",
        "WITH a AS (SELECT 1 AS b) SELECT b FROM a",
        "DESCRIBE screenings",
        "SUMMARIZE worklist",
        "SELECT * FROM nights -- with a comment",
    ],
)
def test_reading_is_allowed(lake: Lake, question: str) -> None:
    assert run_sql(lake, question).num_columns > 0


@pytest.mark.parametrize(
    "question",
    [
        "COPY (SELECT 1) TO '{lake}/screenings/x.parquet'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{lake}/screenings/x.parquet'",
        "CREATE TABLE x AS SELECT 1",
        "ATTACH '{lake}/screenings/x.db'",
        "DROP VIEW screenings",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "SELECT 1; SELECT 2",
        "",
        "SELEKT 1",
        "SELECT * FROM no_such_table",
        "FROM read_text('{outside}')",
        "FROM read_csv('{lake}/screenings/../../outside.csv')",
        "FROM '{lake}/identities/patients.parquet'",
        "FROM read_blob('{lake}/identities/*')",
        "FROM glob('{lake}/identities/*')",
        "FROM 'https://127.0.0.1:9/x.parquet'",
    ],
)
def test_anything_else_is_refused(lake: Lake, question: str) -> None:
    outside = lake.root.parent / "outside.csv"
    outside.write_text("secret\n1\n")
    before = sorted(path for path in lake.root.rglob("*"))
    quoted = str(lake.root).replace("'", "''")
    with pytest.raises(ConfigurationError, match=r"reads only|cannot be"):
        run_sql(lake, question.format(lake=quoted, outside=outside))
    assert sorted(path for path in lake.root.rglob("*")) == before


def test_the_worklist_of_a_day(lake: Lake) -> None:
    assert worklist(lake)["study_uid"].to_pylist() == ["1", "2"]
    assert worklist(lake, date(2026, 1, 11))["study_uid"].to_pylist() == ["2"]
    assert worklist(lake, date(2020, 1, 1)).num_rows == 0


def test_a_query_is_asked_again_when_files_were_replaced_meanwhile(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, answers = query._ask, []

    def publish_meanwhile(of: Lake, text: str) -> pa.Table:
        answers.append(ask(of, text))
        if len(answers) == 1:
            lake.publish([result("1", hour=3)])
            raise duckdb.IOException("footer and data of two files")
        if len(answers) == 2:
            lake.publish([result("1", hour=3)])
        return answers[-1]

    monkeypatch.setattr(query, "_ask", publish_meanwhile)
    assert run_sql(lake, "SELECT count(*) AS rows FROM screenings").to_pylist() == [{"rows": 2}]
    assert len(answers) == 3


def test_without_a_lake_there_is_nothing_to_ask(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no lake"):
        run_sql(Lake(tmp_path), "SELECT 1")


@pytest.mark.parametrize("attack", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1"])
def test_csv_starts_no_formula(attack: str) -> None:
    written = as_csv(pa.table({"site": [attack], "hu": [-12.5], "levels": [["L1", "T12"]]}))
    (row,) = csv.DictReader(io.StringIO(written))
    assert row["site"].startswith("'")
    assert (row["hu"], row["levels"]) == ("-12.5", "L1 T12")


def test_csv_keeps_what_is_harmless(lake: Lake) -> None:
    first, _ = csv.DictReader(io.StringIO(as_csv(worklist(lake))))
    assert first["study_uid"] == "1"
    assert float(first["probability"]) == 0.42
    assert first["study_date"] == "2026-01-09"
    assert first["warnings"] == ""
    assert first["model_label"] == "phantom-reference"


def test_json_is_read_back(lake: Lake) -> None:
    first, _ = json.loads(as_json(worklist(lake)))
    assert first["levels"] == ["L1", "T12"]
    assert first["screened_at"] == "2026-01-10T03:00:00+00:00"


def test_tables_for_people(lake: Lake) -> None:
    shown = text(worklist_table(worklist(lake)))
    assert "phantom-reference" in shown
    assert NOT_RULED_OUT in shown
    assert "intermediate" in shown
    assert "none" in text(worklist_table(worklist(lake, date(2020, 1, 1))))
    assert "[red]x\\" not in text(as_table(pa.table({"a": ["[red]x[/red]", None]})))
    assert "[red]x[/red]" in text(as_table(pa.table({"a": ["[red]x[/red]", None]})))
    assert "\x1b" not in text(as_table(pa.table({"a": ["\x1b[31mred"]})))
