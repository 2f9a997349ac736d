"""The monthly files of a table, `<table>/study_month=YYYY-MM/<table>.parquet`, and how rows get into them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tasks.publish.storage import has_other_columns, read_table, write_table
from tasks.schema import SCREENING_KEY, TABLES, conform

UNKNOWN_MONTH = "unknown"
_MONTH = "study_month"


def month_of(study_date: date | None) -> str:
    """Partition of a study: YYYY-MM, or `unknown`."""
    return f"{study_date.year:04d}-{study_date.month:02d}" if study_date else UNKNOWN_MONTH


class MonthlyTable:
    """One table of the lake in files of a month each.

    Args:
        root: folder of the lake.
        name: `screenings`, `vertebrae` or `series`.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = name
        self._order = [(column, "ascending") for column in TABLES[name].key]
        self._replaced_by = ("study_uid",) if name == "series" else SCREENING_KEY

    def path(self, month: str) -> Path:
        """The one file of a month."""
        return self.root / self.name / f"{_MONTH}={month}" / f"{self.name}.parquet"

    def months(self) -> list[str]:
        """The months that have a file, oldest first, `unknown` last."""
        files = (self.root / self.name).glob(f"{_MONTH}=*/{self.name}.parquet")
        return sorted(path.parent.name.removeprefix(f"{_MONTH}=") for path in files)

    def prepare(self) -> None:
        """Make sure that there is a file with today's columns, so that readers always find them."""
        path = self.path(UNKNOWN_MONTH)
        if not path.exists():
            write_table(conform(self.name, []), path)
        elif has_other_columns(path, self.name):
            write_table(read_table(path, self.name), path)

    def read(self, columns: Sequence[str] | None = None, studies: Sequence[str] | None = None) -> pa.Table:
        """The rows of all months, or those of some studies."""
        parts = [read_table(self.path(month), self.name, columns, studies) for month in self.months()]
        return pa.concat_tables(parts)

    def upsert(self, incoming: pa.Table, months: Sequence[str], done: pa.Table) -> set[str]:
        """Replace what the work in `done` left earlier by `incoming`, in every month it lies in.

        Args:
            incoming: rows of this table's schema.
            months: the month of each of them.
            done: columns of SCREENING_KEY, one row for each finished piece of work.

        Returns:
            The months that were written.
        """
        studies = done["study_uid"].unique().to_pylist()
        earlier = self._related(studies)
        incoming = incoming.append_column(_MONTH, pa.array(months, pa.string()))
        rows = pa.concat_tables([without(earlier, done, self._replaced_by), incoming])
        if self.name == "screenings":
            rows = supersede(rows)
        targets = set(months)
        for month in [*sorted(targets), *sorted(set(earlier[_MONTH].to_pylist()) - targets)]:
            self._rewrite(month, rows.filter(pc.equal(rows[_MONTH], month)).drop_columns([_MONTH]), studies)
        return targets | set(earlier[_MONTH].to_pylist())

    def set_column(self, studies: Sequence[str], column: str, value: object) -> set[str]:
        """Give one column of every row of some studies a value.

        Returns:
            The months that were written.
        """
        written = set()
        for month in self.months():
            rows = read_table(self.path(month), self.name)
            chosen = pc.is_in(rows["study_uid"], pa.array(studies, pa.string()))
            if not pc.any(chosen).as_py():
                continue
            index = rows.schema.get_field_index(column)
            field = rows.schema.field(index)
            values = pc.if_else(chosen, pa.scalar(value, field.type), rows[column])
            write_table(rows.set_column(index, field, values), self.path(month))
            written.add(month)
        return written

    def _related(self, studies: Sequence[str]) -> pa.Table:
        """The stored rows of some studies, with the month they lie in."""
        parts = []
        for month in self.months():
            part = read_table(self.path(month), self.name, studies=studies)
            parts.append(part.append_column(_MONTH, pa.repeat(month, len(part))))
        empty = conform(self.name, []).append_column(_MONTH, pa.array([], pa.string()))
        return pa.concat_tables([empty, *parts])

    def _rewrite(self, month: str, rows: pa.Table, studies: Sequence[str]) -> None:
        """Put `rows` in the place of everything that a month holds of some studies."""
        path = self.path(month)
        if path.exists():
            stored = read_table(path, self.name)
            others = stored.filter(pc.invert(pc.is_in(stored["study_uid"], pa.array(studies, pa.string()))))
            rows = pa.concat_tables([others, rows])
        write_table(rows.sort_by(self._order), path)


def without(stored: pa.Table, replaced: pa.Table, key: Sequence[str]) -> pa.Table:
    """The stored rows whose `key` no row of `replaced` has, in their order."""
    names = list(key)
    numbered = stored.select(names).append_column("row", pa.array(range(len(stored)), pa.int64()))
    kept = numbered.join(replaced.select(names), keys=names, join_type="left anti")["row"]
    return stored.take(kept.take(pc.sort_indices(kept)))


def supersede(screenings: pa.Table) -> pa.Table:
    """Screenings with `superseded_at` set anew: null on the newest row of each study and model version.

    Any other row carries the moment at which the next newer one was screened. This depends only on the set of
    rows, not on the order in which they came, so that doing it twice or in another order ends the same.
    """
    names = ("study_uid", "model_version", "screened_at", "content_key", "pipeline_version")
    rows = list(zip(*(screenings[name].to_pylist() for name in names), strict=True))
    order = sorted(range(len(rows)), key=rows.__getitem__)
    superseded: list[object] = [None] * len(rows)
    for this, following in pairwise(order):
        if rows[this][:2] == rows[following][:2]:
            superseded[this] = rows[following][2]
    index = screenings.schema.get_field_index("superseded_at")
    field = screenings.schema.field(index)
    return screenings.set_column(index, field, pa.array(superseded, field.type))
