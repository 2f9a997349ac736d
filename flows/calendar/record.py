"""`BackfillRecord`: how far a backfill has come, for people: `runs/backfill/<id>.json` in the lake.

Nothing is decided by it (see `flows.calendar.census`): it may be deleted, and is written anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from flows.calendar.windows import DateWindow
from flows.tally import Tally
from tasks.files import write_whole
from tasks.publish.lake import Lake

_ID_DIGITS = 12


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class WindowState(StrEnum):
    """How a window stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


class State(StrEnum):
    """How a backfill stands; one that is not `stopped` or `finished` while nobody holds its lock has died."""

    RUNNING = "running"
    WAITING = "waiting"
    STOPPED = "stopped"
    FINISHED = "finished"


class WindowRecord(_Frozen):
    """One window.

    Attributes:
        owed: studies that it was to work on, when it was planned.
        worked: studies that it has worked on, over every time it was at work.
        seconds: time at work.
        scored, excluded, failed: how the studies of these days stand.
    """

    first: date
    last: date
    owed: int
    state: WindowState = WindowState.WAITING
    worked: int = 0
    seconds: float = 0.0
    scored: int = 0
    excluded: int = 0
    failed: int = 0

    def after(self, tally: Tally, seconds: float) -> WindowRecord:
        """The window when it has been at work once more; done unless studies were left."""
        changes = {
            "state": WindowState.WAITING if tally.left else WindowState.DONE,
            "worked": self.worked + tally.found - tally.unchanged,
            "seconds": self.seconds + seconds,
            "scored": tally.scored,
            "excluded": tally.excluded,
            "failed": tally.failed,
        }
        return self.model_copy(update=changes)


class BackfillRecord(_Frozen):
    """One backfill, under the same id however often it is started.

    Attributes:
        state, note: how it stands, and a few words for a person, such as until when it waits.
        hours: in which it may work, and of which zone; empty for all hours.
        windows: the newest first; those done in earlier starts among them.
    """

    id: str
    archive: str
    first: date
    last: date
    started_at: datetime
    updated_at: datetime
    state: State = State.RUNNING
    note: str = ""
    hours: str = ""
    windows: tuple[WindowRecord, ...] = ()

    def with_window(self, window: WindowRecord) -> BackfillRecord:
        """The record with one window in the place of that of the same days."""
        windows = tuple(window if item.first == window.first else item for item in self.windows)
        return self.model_copy(update={"windows": windows})

    def standing(self, state: State, note: str = "") -> BackfillRecord:
        """The record in another state; no window is under way in a backfill that is not at work."""
        windows = self.windows
        if state is not State.RUNNING:
            paused = {"state": WindowState.WAITING}
            windows = tuple(
                item.model_copy(update=paused) if item.state is WindowState.RUNNING else item
                for item in windows
            )
        return self.model_copy(update={"state": state, "note": note, "windows": windows})

    @property
    def left(self) -> int:
        """Studies of windows that are not done."""
        return sum(max(w.owed - w.worked, 0) for w in self.windows if w.state is not WindowState.DONE)

    @property
    def seconds_a_study(self) -> float | None:
        """Pace over all windows so far; None before any study."""
        worked = sum(window.worked for window in self.windows)
        return sum(window.seconds for window in self.windows) / worked if worked else None


def backfill_lock(lake: Lake) -> Path:
    """The lock of the one backfill that a lake may have; nights do not ask for it."""
    return lake.root / "backfill.lock"


def new_record(
    archive_kind: str, archive_key: str, days: tuple[date, date], planned: Iterable[DateWindow]
) -> BackfillRecord:
    """The record of a backfill that begins."""
    now = datetime.now(UTC)
    text = f"{archive_key} {days[0]} {days[1]}"
    return BackfillRecord(
        id=hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS],
        archive=archive_kind,
        first=days[0],
        last=days[1],
        started_at=now,
        updated_at=now,
        windows=tuple(WindowRecord(first=w.first, last=w.last, owed=w.studies) for w in planned),
    )


def keep(lake: Lake, record: BackfillRecord) -> BackfillRecord:
    """Write a record in the place of the one with its id; returns it as written."""
    record = record.model_copy(update={"updated_at": datetime.now(UTC)})
    write_whole(_folder(lake) / f"{record.id}.json", record.model_dump_json(indent=2).encode())
    return record


def going_on(record: BackfillRecord, earlier: Sequence[BackfillRecord]) -> BackfillRecord:
    """A new record with what earlier starts of the same backfill have done."""
    before = next((item for item in earlier if item.id == record.id), None)
    if before is None:
        return record
    planned = {window.first for window in record.windows}
    done = [w for w in before.windows if w.state is WindowState.DONE and w.first not in planned]
    merged = sorted((*record.windows, *done), key=lambda item: item.first, reverse=True)
    return record.model_copy(update={"windows": tuple(merged), "started_at": before.started_at})


def read_records(lake: Lake) -> list[BackfillRecord]:
    """Every record of a lake, that of the backfill which moved last first; damaged ones are passed over."""
    records = filter(None, map(_read, _folder(lake).glob("*.json")))
    return sorted(records, key=lambda record: record.updated_at, reverse=True)


def _read(path: Path) -> BackfillRecord | None:
    try:
        return BackfillRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _folder(lake: Lake) -> Path:
    return lake.root / "runs" / "backfill"
