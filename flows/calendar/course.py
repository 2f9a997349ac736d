"""`Course`: a backfill under way: when it may work, whom it lets go first, and how far it has come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

from rich.console import Console

from flows.calendar.hours import Hours
from flows.calendar.record import (
    BackfillRecord,
    State,
    WindowRecord,
    WindowState,
    backfill_lock,
    going_on,
    keep,
    new_record,
    read_records,
)
from flows.calendar.windows import DateWindow
from flows.presence import SILENT
from flows.tally import Tally
from tasks.outcomes import ArchiveError
from tasks.publish.lake import Lake
from tasks.publish.lock import LakeBusyError, exclusive

# How often a waiting backfill looks whether the night is done; a night takes minutes at least.
LOOK_EVERY = timedelta(seconds=5)
# Longest sleep: a machine that was suspended, or whose clock was set, is noticed after it.
LONGEST_SLEEP_S = 30.0
# An archive that does not answer is asked again after these pauses: it may be restarted, or upgraded.
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60))

RunNight = Callable[[WindowRecord, datetime | None], Tally]
"""Works on a window until it is done or a moment has come; the tally says what was left."""


class Course:
    """One backfill over one lake.

    Args:
        lake: where it writes.
        hours: in which it may work; None for all.
        show: print when it waits, and for what.
    """

    def __init__(self, lake: Lake, hours: Hours | None, *, show: bool = True) -> None:
        self.lake = lake
        self.hours = hours
        self._console = Console(stderr=True, quiet=not show)
        self._record: BackfillRecord | None = None

    @property
    def record(self) -> BackfillRecord:
        """How far it has come."""
        if self._record is None:
            raise RuntimeError("a course has a record from `recorded` on")
        return self._record

    @contextmanager
    def alone(self, who: str) -> Iterator[None]:
        """Be the only backfill of the lake, which is made when there is none.

        Raises:
            LakeBusyError: when another backfill is under way.
        """
        if not self.lake.exists():
            with self.lake.locked(who):
                pass
        with exclusive(backfill_lock(self.lake), who):
            yield

    @contextmanager
    def recorded(
        self, kind: str, key: str, days: tuple[date, date], windows: Sequence[DateWindow]
    ) -> Iterator[None]:
        """Keep the record of these windows of an archive, however they end."""
        record = going_on(new_record(kind, key, days, windows), read_records(self.lake))
        hours = f"{self.hours} {self.hours.zone}" if self.hours else ""
        self._keep(record.model_copy(update={"hours": hours}))
        try:
            yield
        except BaseException as error:
            self._keep(self.record.standing(State.STOPPED, type(error).__name__))
            raise
        self._keep(self.record.standing(State.FINISHED))

    def waiting(self) -> tuple[WindowRecord, ...]:
        """The windows that are not done, the newest first."""
        return tuple(window for window in self.record.windows if window.state is not WindowState.DONE)

    def work_off(self, window: WindowRecord, run_night: RunNight) -> None:
        """Work on one window until nothing of it is left, in open hours only, and never before a night.

        Raises:
            ArchiveError: when the archive does not answer, however often it is asked.
        """
        pauses = iter(PAUSES)
        while window.state is not WindowState.DONE:
            closing = self._wait_for_turn()
            window = window.model_copy(update={"state": WindowState.RUNNING})
            self._keep(self.record.standing(State.RUNNING).with_window(window))
            began_s = time.monotonic()
            try:
                tally = run_night(window, closing)
            except LakeBusyError:
                continue  # a night came between the look and the lock
            except ArchiveError as error:
                self._try_later(error, pauses)
                continue
            window = window.after(tally, time.monotonic() - began_s)
            self._keep(self.record.with_window(window))
            if tally.left and tally.archive_note == SILENT.note:  # not the hour or a night, but the archive
                self._try_later(ArchiveError(tally.archive_note), pauses)

    def _try_later(self, error: ArchiveError, pauses: Iterator[timedelta]) -> None:
        """Wait for an archive that does not answer; raises the error when that was done often enough."""
        pause = next(pauses, None)
        if pause is None:
            raise error
        self._wait(datetime.now(UTC) + pause, f"{error} Trying again: waiting")

    def _wait_for_turn(self) -> datetime | None:
        """Wait for open hours and for the night; returns when the hours close."""
        while True:
            now = datetime.now(UTC)
            if self.hours and not self.hours.is_open(now):
                self._wait(self.hours.opening(now), f"Outside {self.hours}: waiting")
            elif self.lake.is_wanted() or self.lake.writer():
                self._pause("A night has the lake: waiting for its end.", LOOK_EVERY.total_seconds())
            else:
                return self.hours.next_change(now) if self.hours else None

    def _wait(self, until: datetime, why: str) -> None:
        """Sleep until a moment, having said so."""
        zone = self.hours.zone if self.hours else None
        note = f"{why} until {until.astimezone(zone):%a %d %b %H:%M %Z}."
        while (left := (until - datetime.now(UTC)).total_seconds()) > 0:
            self._pause(note, left)

    def _pause(self, note: str, seconds: float) -> None:
        if (self.record.state, self.record.note) != (State.WAITING, note):
            self._console.print(note, highlight=False, soft_wrap=True)
            self._keep(self.record.standing(State.WAITING, note))
        time.sleep(min(seconds, LONGEST_SLEEP_S))

    def _keep(self, record: BackfillRecord) -> None:
        self._record = keep(self.lake, record)
