"""The files of `sql/`: their queries, and what their headers say of themselves and of their columns.

A header begins with what the answer is, up to the first empty comment line. Its last part says which tables
describe the columns that come from one, and describes the rest, one in a line:

    -- Columns: as in vertebrae, screenings; and
    --   place: 1 for the most urgent study.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tasks.schema import TABLES
from tasks.table import describe

SQL_FOLDER = Path(__file__).parents[2] / "sql"
STUDY_MONTH = "Month of the study, YYYY-MM, or unknown: the folder of the lake that its rows lie in."
_SOURCES = re.compile(r"^-- Columns: as in ([\w, ]+)(?:; and|\.)$", re.MULTILINE)
_COLUMN = re.compile(r"^--   (\w+): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class View:
    """One file of `sql/`: its query, what it answers, and what its columns mean."""

    query: str
    about: str
    meanings: dict[str, str]


def analyst_queries() -> dict[str, str]:
    """The text of every file of `sql/` by its name without the ending."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(SQL_FOLDER.glob("*.sql"))}


def analyst_views() -> dict[str, View]:
    """Every file of `sql/` with what it says of itself, by its name without the ending."""
    return {name: _view(query) for name, query in analyst_queries().items()}


def _view(query: str) -> View:
    about, _, _ = query.partition("\n--\n")
    meanings = {"study_month": STUDY_MONTH}
    sources = _SOURCES.search(query)
    names = sources[1].split(", ") if sources else []
    for name in reversed(names):  # where two describe a column, the first one counts
        meanings |= {column.name: describe(column) for column in TABLES[name].columns}
    meanings |= dict(_COLUMN.findall(query))
    return View(query, " ".join(line.removeprefix("-- ") for line in about.splitlines()), meanings)
