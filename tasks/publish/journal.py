"""`Journal`: finished studies of a running night, kept one by one until the night is published.

A night that is killed starts again and takes from here what it had finished. One line a study, a checksum and
JSON, appended in one write: what a killed writer left half is told by the checksum and done again. The file
holds patients' identities and therefore lies in `identities/`.
"""

from __future__ import annotations

import errno
import json
import os
import time
import zlib
from collections.abc import Collection
from datetime import date, datetime
from typing import Any

from tasks.files import PRIVATE_FILE, needing_room, write_whole
from tasks.publish.lake import Lake
from tasks.publish.result import ScreeningKey, StudyResult
from tasks.schema import TABLES, SchemaError
from tasks.table import as_mapping

SYNC_EVERY_S = 1.0  # a killed process loses nothing; only a power cut can, and then a second of work
_TABLE_OF = {
    "screening": "screenings",
    "vertebrae": "vertebrae",
    "series": "series",
    "patient": "patients",
    "accession": "accessions",
}


class Journal:
    """The journal of one lake. One process at a time writes it: the one that holds the lake's lock."""

    def __init__(self, lake: Lake) -> None:
        self.path = lake.identities / "journal.jsonl"
        self._synced_at = 0.0

    def record(self, result: StudyResult) -> None:
        """Keep one finished study.

        Raises:
            SchemaError: when a row does not fit its table: what could not be published is not kept.
            DiskFullError: when there is no room for it.
        """
        line = _line(result)
        with needing_room(self.path.parent):
            self._append(line)

    def _append(self, line: bytes) -> None:
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE)
        try:
            if os.write(handle, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # what a disk does that is just full
            if time.monotonic() - self._synced_at >= SYNC_EVERY_S:
                os.fdatasync(handle)
                self._synced_at = time.monotonic()
        finally:
            os.close(handle)

    def load(self) -> dict[ScreeningKey, StudyResult]:
        """What has been recorded and not cleared; a line that is torn or of another schema is passed over."""
        if not self.path.exists():
            return {}
        results = (_read_line(line) for line in self.path.read_bytes().split(b"\n"))
        return {result.key: result for result in results if result}

    def clear(self, keys: Collection[ScreeningKey]) -> None:
        """Forget studies that have been published, and every line that could not be read."""
        kept = [result for key, result in self.load().items() if key not in keys]
        if kept:
            write_whole(self.path, b"".join(_line(result) for result in kept), PRIVATE_FILE)
        else:
            self.path.unlink(missing_ok=True)


def _line(result: StudyResult) -> bytes:
    """A result as a line; it begins with a line break too, so that a torn line before it spoils nothing."""
    text = json.dumps(_encode(result), separators=(",", ":")).encode()
    return b"\n%08x %b\n" % (zlib.crc32(text), text)


def _encode(result: StudyResult) -> dict[str, list[dict[str, Any]]]:
    """The result's rows by attribute, checked against their tables."""
    encoded: dict[str, list[dict[str, Any]]] = {}
    for attribute, table in _TABLE_OF.items():
        value = getattr(result, attribute)
        rows = list(value) if isinstance(value, tuple) else [] if value is None else [value]
        TABLES[table].check(rows)
        encoded[attribute] = [
            {name: _as_json(item) for name, item in as_mapping(row).items()} for row in rows
        ]
    return encoded


def _as_json(value: object) -> object:
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _read_line(line: bytes) -> StudyResult | None:
    """The result that a line holds; None when it cannot be trusted."""
    checksum, _, text = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    try:
        return _decode(json.loads(text))
    except (ValueError, TypeError, KeyError, SchemaError):
        return None  # written by another version: the study is done again


def _decode(encoded: dict[str, list[dict[str, Any]]]) -> StudyResult:
    rows = {
        attribute: tuple(TABLES[table].build(_parsed(table, values)) for values in encoded[attribute])
        for attribute, table in _TABLE_OF.items()
    }
    return StudyResult(
        screening=rows["screening"][0],
        vertebrae=rows["vertebrae"],
        series=rows["series"],
        patient=rows["patient"][0] if rows["patient"] else None,
        accession=rows["accession"][0] if rows["accession"] else None,
    )


def _parsed(table: str, values: dict[str, Any]) -> dict[str, Any]:
    """Values with the dates and moments that JSON kept as text."""
    parsed = dict(values)
    for column in TABLES[table].columns:
        value = parsed.get(column.name)
        if value is not None and column.kind in (date, datetime):
            parsed[column.name] = column.kind.fromisoformat(value)
    return parsed
