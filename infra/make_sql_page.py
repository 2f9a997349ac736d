"""Writes docs/sql.md: the questions of docs/questions.sql, with their answers over a demo lake.

`python infra/make_sql_page.py demo/lake`
"""

from __future__ import annotations

import re
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa

from tasks.phantom.dicom_writer import INSTITUTION
from tasks.publish.lake import Lake
from tasks.publish.query import run_sql

DOCS = Path(__file__).parents[1] / "docs"
HEAD = """# Twenty questions in SQL

Written by `python infra/make_sql_page.py demo/lake` from [questions.sql](questions.sql), over the lake that
`make demo` leaves: **{patients} generated patients**, no real one, scored by weights `{labels}`. The answers
show what the queries do. They say nothing about people, and with so few studies little about anything.

Each query runs as `osteoscreen sql --lake demo/lake -c "…"`, which can change nothing and sees no identity,
and in `duckdb -readonly demo/lake/screening.duckdb`, where `SELECT table_name, column_name, comment FROM
duckdb_columns()` tells what every column means. The views are the files of `sql/`; each runs by itself over
a lake's Parquet, too. What stands for a study today is in `screenings_latest`; `screenings` is the history.

From elsewhere:

- **Python, a notebook**: `duckdb.connect("demo/lake/screening.duckdb", read_only=True).sql("FROM worklist")`,
  then `.to_arrow_table()`. Connect anew to see the next night: the file is replaced, not changed.
- **Power BI, Tableau, Excel**: `osteoscreen sql --format csv`, or the folders of Parquet, or DuckDB's ODBC
  driver on `screening.duckdb`, read-only. Nobody has tried the last two here. `identities/` is not for
  analysts: keep it out.
- **Shares**: look at the count beside each. `yield_by_site` gives Wilson's interval; `drift_scores` gives no
  index below 25 studies a side; a median in `drift_hu` may be of one study.
"""


def questions(text: str) -> dict[str, str]:
    """The queries of a file by their question: a comment line that ends with `?`, the query, a semicolon."""
    return dict(re.findall(r"^-- (.+\?)\n([^;]+);$", text, re.MULTILINE))


def page(lake: Lake) -> str:
    """The text of docs/sql.md, with the answers of this lake.

    Raises:
        SystemExit: when the lake holds studies that were not generated: none of theirs may be printed.
    """
    sites = run_sql(lake, "SELECT DISTINCT site FROM screenings WHERE site IS NOT NULL")["site"].to_pylist()
    if sites != [INSTITUTION]:
        raise SystemExit("This lake is not a demo's: its answers do not belong into a public page.")
    (facts,) = run_sql(
        lake,
        "SELECT count(DISTINCT patient_key) AS patients, string_agg(DISTINCT model_label, ', ') AS labels "
        "FROM screenings_latest",
    ).to_pylist()
    asked = questions((DOCS / "questions.sql").read_text(encoding="utf-8"))
    return "\n".join(
        [HEAD.format(**facts), *(chapter(*each, lake) for each in enumerate(asked.items(), start=1))]
    )


def chapter(number: int, asked: tuple[str, str], lake: Lake) -> str:
    """One question, its query and its answer."""
    question, query = asked
    answer = run_sql(lake, query)
    return f"{heading(number, question, query)}\n{table(answer)}"


def heading(number: int, question: str, query: str) -> str:
    """A question with its query, as they stand above the answer."""
    return f"## {number}. {question}\n\n```sql\n{query}\n```\n"


def table(answer: pa.Table) -> str:
    """An answer as a Markdown table, or a sentence where it has no rows."""
    lines = [head(answer)]
    lines += [_line([_cell(value) for value in row.values()]) for row in answer.to_pylist()]
    return "\n".join(lines) + "\n" + ("" if answer.num_rows else "\nNo rows.\n")


def head(answer: pa.Table) -> str:
    """The first two lines of the table."""
    return f"{_line(answer.column_names)}\n|{'---|' * answer.num_columns}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, date):
        return value.isoformat()
    return str(value).replace("|", "∣")


if __name__ == "__main__":
    (DOCS / "sql.md").write_text(page(Lake(Path(sys.argv[1]))), encoding="utf-8")
