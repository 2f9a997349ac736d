"""`Ledger`: what is remembered of a network archive, a line for each study that it ever listed.

No identity stands in it: who the patient is is told anew by every list.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import pyarrow as pa

from tasks.archive.memory import Memory
from tasks.archive.peer import ListedSeries, ListedStudy

# Raised when the meaning of a column changes though its name and type stay.
VERSION = 1
SCHEMA = pa.schema(
    [
        pa.field("study_uid", pa.string(), nullable=False),
        pa.field("told", pa.string(), nullable=False),
        pa.field("content_key", pa.string(), nullable=False),
        pa.field("since_s", pa.float64(), nullable=False),
        pa.field("series", pa.string(), nullable=False),
    ],
    metadata={"version": str(VERSION)},
)


class Line(NamedTuple):
    """One study.

    Attributes:
        told: what the list of studies told of its content, in short; while it stays nothing is asked.
        content_key: as `Study.content_key`.
        since_s: since when it has been so, as far as is known, seconds since the epoch.
        series: its series, written out (see `read_series`); empty when they could not be had.
    """

    told: str
    content_key: str
    since_s: float
    series: str


class Ledger:
    """The lines of one archive.

    Args:
        memory: where they are kept; None remembers nothing.
        key: of the archive.
    """

    def __init__(self, memory: Memory | None, key: str) -> None:
        self._memory = memory
        self._key = key
        table = memory.recall(key, SCHEMA) if memory else None
        columns = [] if table is None else [table.column(name).to_pylist() for name in SCHEMA.names]
        self.lines = {uid: Line(*values) for uid, *values in zip(*columns, strict=True)}

    def keep(self) -> None:
        """Write the lines down."""
        if self._memory is None:
            return
        columns = [list(self.lines), *zip(*self.lines.values(), strict=True)] if self.lines else [[]] * 5
        self._memory.keep(self._key, pa.table(dict(zip(SCHEMA.names, columns, strict=True)), schema=SCHEMA))


def told_of(study: ListedStudy) -> str:
    """What a list tells of a study's content; empty when it tells nothing by which a change could be seen."""
    if study.instances is None and study.changed_s is None:
        return ""
    return f"{study.series} {study.instances} {study.changed_s}"


def is_as_told(study: ListedStudy, told: str) -> bool:
    """Whether a list tells of a study what it told before.

    A time that is not told this time is no difference: an archive may be asked for times in another way than
    for its list, and that way may fail for one night.
    """
    now = told_of(study)
    if study.changed_s is None:
        return now.rpartition(" ")[0] == told.rpartition(" ")[0]
    return now == told


def tells_time(told: str) -> bool:
    """Whether a time of change was told."""
    return told.rpartition(" ")[2] not in ("", "None")


def write_series(listed: tuple[ListedSeries, ...]) -> str:
    """Series as one short text."""
    rows = [
        [item.series_uid, item.modality, item.instances, item.series_number, item.description, item.changed_s]
        for item in listed
    ]
    return json.dumps(rows, separators=(",", ":"))


def read_series(text: str) -> tuple[ListedSeries, ...]:
    """What `write_series` wrote; none of an empty text."""
    return tuple(ListedSeries(*row) for row in json.loads(text or "[]"))
