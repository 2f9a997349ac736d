"""docs/sql.md: every question has its answer, from the query that stands there."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import duckdb
import pytest

from tasks.publish.database import build_database
from tasks.publish.lake import Lake
from tasks.publish.query import run_sql
from tasks.publish.views import analyst_queries

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = (ROOT / "docs" / "questions.sql").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    """infra/make_sql_page.py, which is a script and no package."""
    spec = importlib.util.spec_from_file_location("make_sql_page", ROOT / "infra" / "make_sql_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_question_is_answered_from_the_query_beside_it(lake: Lake, writer: ModuleType) -> None:
    asked = writer.questions(QUESTIONS)
    written = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
    build_database(lake)
    assert len(asked) == 20
    with duckdb.connect(str(lake.database), read_only=True) as connection:
        for number, (question, query) in enumerate(asked.items(), start=1):
            answer = run_sql(lake, query)
            assert connection.sql(query).to_arrow_table().column_names == answer.column_names
            expected = f"{writer.heading(number, question, query)}\n{writer.head(answer)}"
            assert expected in written, f"docs/sql.md is out of date at {question}: infra/make_sql_page.py"


def test_every_view_is_asked(writer: ModuleType) -> None:
    queries = " ".join(writer.questions(QUESTIONS).values())
    assert [name for name in analyst_queries() if name not in queries] == []


def test_a_lake_of_real_patients_is_not_printed(lake: Lake, writer: ModuleType) -> None:
    with pytest.raises(SystemExit, match="not a demo's"):
        writer.page(lake)
