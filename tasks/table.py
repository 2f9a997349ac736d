"""`Table`: from one typed row class to Arrow schema, SQL comments, documentation and a check before writing.

A row class is a frozen dataclass whose fields are written `name: Annotated[type, Doc("…", unit="mm")]`. The
type gives the Arrow type, `| None` makes the column nullable, and a StrEnum makes it a closed vocabulary.
What the tables are stands in `tasks/schema.py`; nothing here knows any of them.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

from tasks.outcomes import OsteoscreenError

MOST_PROBLEMS_SHOWN = 20  # beyond this a message is no longer read; the rest is counted

_ARROW_TYPES: dict[type, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
    date: pa.date32(),
}
_TYPE_NAMES: dict[type, tuple[str, str]] = {  # what SQL and what a person calls it
    str: ("VARCHAR", "text"),
    int: ("BIGINT", "integer"),
    float: ("DOUBLE", "real"),
    bool: ("BOOLEAN", "boolean"),
    datetime: ("TIMESTAMP WITH TIME ZONE", "moment (UTC)"),
    date: ("DATE", "date"),
}


class SchemaError(OsteoscreenError):
    """Rows do not fit their table; the text names every mismatch that was found."""


@dataclass(frozen=True, slots=True)
class Doc:
    """What a column means, beside its type.

    Attributes:
        text: one sentence.
        unit: UCUM-like unit of a number; empty when it has none.
        low, high: smallest and largest value that can be true; a value beyond them is a mismatch.
    """

    text: str
    unit: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One column: name, plain Python type of a value (or of a list's items), and what it means."""

    name: str
    kind: type
    is_list: bool
    nullable: bool
    doc: Doc
    vocabulary: type[StrEnum] | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The closed list of words that may stand here; empty when any text may."""
        return tuple(str(word) for word in self.vocabulary) if self.vocabulary else ()

    @property
    def arrow_type(self) -> pa.DataType:
        """Arrow type of the column."""
        return pa.list_(_ARROW_TYPES[self.kind]) if self.is_list else _ARROW_TYPES[self.kind]

    @property
    def sql_type(self) -> str:
        """DuckDB's name of the type."""
        return _TYPE_NAMES[self.kind][0] + ("[]" if self.is_list else "")

    def problem(self, value: object) -> str:
        """Why `value` may not stand in this column; empty when it may."""
        if value is None:
            return "" if self.nullable else "is null, and may not be"
        if not self.is_list:
            return self._item_problem(value)
        if isinstance(value, str) or not isinstance(value, Sequence):
            return f"is a {type(value).__name__}, not a list"
        return next((problem for item in value if (problem := self._item_problem(item))), "")

    def _item_problem(self, value: object) -> str:
        if not _is_a(value, self.kind):
            return f"is a {type(value).__name__}, not {_TYPE_NAMES[self.kind][1]}"
        if isinstance(value, str) and not _is_utf8(value):
            return "is text that cannot be written as UTF-8"
        if self.words and value not in self.words:
            return f"is {value!r}, which is none of {', '.join(self.words)}"
        if isinstance(value, datetime) and value.tzinfo is None:
            return "is a moment without a time zone"
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._range_problem(value)
        return ""

    def _range_problem(self, value: float) -> str:
        if not math.isfinite(value):
            return f"is {value}, which is no measurement: write null"
        low, high = self.doc.low, self.doc.high
        if (low is not None and value < low) or (high is not None and value > high):
            return f"is {value}, outside {'−∞' if low is None else low} … {'∞' if high is None else high}"
        return ""


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_a(value: object, kind: type) -> bool:
    """Whether a value may be written as `kind`: an int may stand for a float, a bool is never a number."""
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float)
    if kind is date:
        return isinstance(value, date) and not isinstance(value, datetime)
    return isinstance(value, kind)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the lake.

    Attributes:
        name: also its folder in the lake.
        row: the dataclass of one row.
        about: what one row is, in a sentence or two.
        key: columns that name a row; a row written again replaces the one of the same key.
        rule: what must hold between the columns of a row; returns the mismatch, or nothing.
    """

    name: str
    row: type
    about: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    rule: Callable[[Mapping[str, object]], str] | None = None

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema; unit and description travel as field metadata into every Parquet file."""
        return pa.schema(
            [
                pa.field(
                    column.name,
                    column.arrow_type,
                    nullable=column.nullable,
                    metadata={"unit": column.doc.unit, "description": column.doc.text},
                )
                for column in self.columns
            ],
            metadata={"table": self.name, "description": self.about},
        )

    def sql_comments(self, name: str | None = None) -> tuple[str, ...]:
        """`COMMENT ON` statements for a DuckDB table with these columns, called `name` or as this table."""
        name = name or self.name
        texts = ((column.name, describe(column)) for column in self.columns)
        quoted = ((column, text.replace("'", "''")) for column, text in texts)
        about = self.about.replace("'", "''")
        return (
            f"COMMENT ON TABLE {name} IS '{about}'",
            *(f"COMMENT ON COLUMN {name}.{column} IS '{text}'" for column, text in quoted),
        )

    @property
    def markdown(self) -> str:
        """The table's chapter in `docs/tables.md`."""
        lines = [
            f"## `{self.name}`",
            "",
            self.about,
            "",
            f"Key: {', '.join(f'`{name}`' for name in self.key)}.",
            "",
            "| column | type | unit | null | meaning |",
            "|---|---|---|---|---|",
        ]
        for column in self.columns:
            kind = _TYPE_NAMES[column.kind][1] + (" list" if column.is_list else "")
            null = "yes" if column.nullable else ""
            lines.append(f"| `{column.name}` | {kind} | {column.doc.unit} | {null} | {_meaning(column)} |")
        return "\n".join(lines) + "\n"

    def conform(self, rows: Sequence[object]) -> pa.Table:
        """The rows as an Arrow table of exactly this schema.

        Args:
            rows: mappings by column name, or instances of the row class. A nullable column may be left out.

        Raises:
            SchemaError: naming every mismatch, by row number and column.
        """
        mappings = self.check(rows)
        return pa.table(
            [
                pa.array([_plain(row.get(column.name)) for row in mappings], column.arrow_type)
                for column in self.columns
            ],
            schema=self.schema,
        )

    def check(self, rows: Sequence[object]) -> list[Mapping[str, object]]:
        """The rows as mappings, when all of them fit.

        Raises:
            SchemaError: naming every mismatch, by row number and column.
        """
        mappings = [as_mapping(row) for row in rows]
        problems = list(self._problems(mappings))
        if problems:
            shown = "; ".join(problems[:MOST_PROBLEMS_SHOWN])
            rest = len(problems) - MOST_PROBLEMS_SHOWN
            more = f"; and {rest} more" if rest > 0 else ""
            raise SchemaError(f"{len(problems)} mismatches with table {self.name}: {shown}{more}.")
        return mappings

    def fitting(self, values: Mapping[str, object]) -> dict[str, object]:
        """The values that may stand in their columns, without those that may not.

        For what a header claims: a tube voltage below 0, or text of no encoding, is as good as absent. Not
        for measurements: one that does not fit is a bug, and `check` should say so.
        """
        columns = {column.name: column for column in self.columns}
        return {
            name: value
            for name, value in values.items()
            if name in columns and not columns[name].problem(value)
        }

    def build(self, values: Mapping[str, object]) -> Any:  # noqa: ANN401 - an instance of `row`
        """One row as an instance of the row class, lists made tuples and words of their vocabulary.

        Raises:
            SchemaError: naming every mismatch.
        """
        self.check([values])
        known = {column.name: column for column in self.columns}
        return self.row(**{name: _typed(value, known[name]) for name, value in values.items()})

    def read(self, stored: pa.Table) -> list[Any]:
        """The rows of an Arrow table as instances of the row class."""
        return [self.build(values) for values in stored.to_pylist()]

    def _problems(self, rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
        known = {column.name for column in self.columns}
        for number, row in enumerate(rows):
            for name in sorted(row.keys() - known):
                yield f"row {number}: there is no column {name}"
            found = False
            for column in self.columns:
                if problem := column.problem(row.get(column.name)):
                    found = True
                    yield f"row {number}: {column.name} {problem}"
            if self.rule and not found and (problem := self.rule(row)):
                yield f"row {number}: {problem}"


def table(
    name: str,
    row: type,
    about: str,
    key: tuple[str, ...],
    rule: Callable[[Mapping[str, object]], str] | None = None,
) -> Table:
    """A `Table` from its row class; `key` must be columns of it."""
    columns = tuple(_columns(row))
    missing = set(key) - {column.name for column in columns}
    if missing:
        raise ValueError(f"key of {name} names {sorted(missing)}, which are no columns")
    return Table(name, row, about, key, columns, rule)


def as_mapping(row: object) -> Mapping[str, object]:
    """A row, dataclass or mapping, as a mapping by column name."""
    if isinstance(row, Mapping):
        return row
    if is_dataclass(row) and not isinstance(row, type):
        return {item.name: getattr(row, item.name) for item in fields(row)}
    raise TypeError(f"a row is a mapping or a row dataclass, not a {type(row).__name__}")


def describe(column: Column) -> str:
    """Meaning and unit in one line."""
    return f"{column.doc.text} Unit: {column.doc.unit}." if column.doc.unit else column.doc.text


def _meaning(column: Column) -> str:
    if not column.words:
        return column.doc.text
    return f"{column.doc.text} One of {', '.join(f'`{word}`' for word in column.words)}."


def _columns(row: type) -> Iterator[Column]:
    hints = get_type_hints(row, include_extras=True)
    for item in fields(row):
        annotated, doc = get_args(hints[item.name])[:2]
        options = get_args(annotated) if _is_union(annotated) else (annotated,)
        nullable = type(None) in options
        kind = next(option for option in options if option is not type(None))
        is_list = get_origin(kind) is tuple
        kind = get_args(kind)[0] if is_list else kind
        vocabulary = kind if issubclass(kind, StrEnum) else None
        yield Column(item.name, str if vocabulary else kind, is_list, nullable, doc, vocabulary)


def _is_union(hint: Any) -> bool:  # noqa: ANN401 - a type expression has no narrower type
    return get_origin(hint) in (Union, types.UnionType)


def _typed(value: object, column: Column) -> object:
    """A value out of Arrow as the row class holds it: tuples for lists, words of their vocabulary."""
    if isinstance(value, list):
        return tuple(_typed(item, column) for item in value)
    return column.vocabulary(str(value)) if column.vocabulary and value is not None else value


def _plain(value: object) -> object:
    """A value as pyarrow takes it: words as text, tuples as lists, moments in UTC."""
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
