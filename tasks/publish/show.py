"""Answers of the lake as text: CSV that a spreadsheet cannot run, JSON for programs, a table for people."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime

import pyarrow as pa
from rich import box
from rich.markup import escape
from rich.table import Table as RichTable
from rich.text import Text

from tasks.outcomes import own_doubts

_FORMULA_STARTS = ("=", "+", "-", "@")  # what a spreadsheet takes for a formula (OWASP)
_TIER_STYLES = {"high": "bold red", "intermediate": "yellow", "low": "green"}
_WORKLIST_COLUMNS = {  # what fits a terminal: column → (heading, digits of a number)
    "place": ("#", 0),
    "risk_tier": ("tier", 0),
    "trabecular_hu_120kvp": ("HU", 0),
    "attenuation_margin_hu": ("margin", 0),
    "probability": ("model", 2),
    "age_years": ("age", 0),
    "sex": ("sex", 0),
    "study_date": ("date", 0),
    "levels": ("levels", 0),
    "warnings": ("warnings", 0),
    "study_uid": ("study", 0),
}
_UID_SHOWN = 10  # last digits of a UID: enough to name a study, and `osteoscreen explain` takes them
NOT_RULED_OUT = "Not on this list, or low on it, does not rule out low bone density."


def as_csv(table: pa.Table) -> str:
    """CSV with a header line; text that a spreadsheet would run as a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows([_csv_cell(value) for value in row.values()] for row in table.to_pylist())
    return out.getvalue()


def as_json(table: pa.Table) -> str:
    """A JSON list of objects; moments and dates in ISO 8601."""
    return json.dumps(table.to_pylist(), default=_json_value, ensure_ascii=False, indent=2) + "\n"


def as_table(table: pa.Table) -> RichTable:
    """Every column and row as rich shows it."""
    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in table.column_names:
        shown.add_column(escape(name), overflow="fold")
    for row in table.to_pylist():
        shown.add_row(*(escape(_words(value, 3)) for value in row.values()))
    return shown


def worklist_table(worklist: pa.Table) -> RichTable:
    """The worklist for a terminal: what a reviewer needs first, with the model's label above it."""
    labels = sorted(set(worklist["model_label"].to_pylist()))
    shown = RichTable(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        title=f"Worklist · model weights: {', '.join(labels) or 'none'}",
        caption=NOT_RULED_OUT,
    )
    for heading, _ in _WORKLIST_COLUMNS.values():
        shown.add_column(heading, overflow="fold")
    for row in worklist.to_pylist():
        row["study_uid"] = f"…{row['study_uid'][-_UID_SHOWN:]}"
        row["warnings"] = list(own_doubts(row["warnings"]))
        cells = [Text(_words(row[name], digits)) for name, (_, digits) in _WORKLIST_COLUMNS.items()]
        cells[1].stylize(_TIER_STYLES[row["risk_tier"]])
        shown.add_row(*cells)
    return shown


def _csv_cell(value: object) -> object:
    """A value as a cell; numbers stay numbers."""
    if isinstance(value, bool | int | float) or value is None:
        return value
    text = _words(value, 6)
    return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) else text


def _words(value: object, digits: int) -> str:
    """A value as a person reads it, without control characters."""
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(_words(item, digits) for item in value)
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return "".join(letter if letter.isprintable() else " " for letter in str(value))


def _json_value(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
