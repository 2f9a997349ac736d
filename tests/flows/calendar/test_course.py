"""A backfill under way: whom it lets go first, what stops it, and where it goes on."""

from __future__ import annotations

import os
import threading
import time as clock
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from flows.calendar import course as course_room
from flows.calendar.course import Course
from flows.calendar.hours import Hours
from flows.calendar.record import BackfillRecord, State, WindowRecord, WindowState, read_records
from flows.calendar.show import status_json, status_screen
from flows.calendar.windows import DateWindow
from flows.presence import SILENT
from flows.shift import Shift
from flows.tally import Tally
from tasks.outcomes import ArchiveError, Outcome
from tasks.publish.lake import Lake
from tasks.publish.lock import LakeBusyError
from tests.flows.calendar.printing import printed

WINDOWS = (
    DateWindow(date(2024, 3, 4), date(2024, 3, 30), 5),
    DateWindow(date(2024, 2, 1), date(2024, 2, 20), 4),
    DateWindow(date(2024, 1, 9), date(2024, 1, 9), 3),
)
DAYS = (date(2024, 1, 1), date(2024, 3, 31))
Night = Callable[[WindowRecord, datetime | None], Tally]


def tally(scored: int, failed: int = 0, *, left: int = 0, unchanged: int = 0) -> Tally:
    outcomes = {Outcome.SCORED: scored, Outcome.FAILED: failed}
    return Tally(found=scored + failed, outcomes=outcomes, left=left, unchanged=unchanged)


def all_of_it(window: WindowRecord, closing: datetime | None) -> Tally:
    """A night that does what it was asked to."""
    return tally(window.owed)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course_room, "LOOK_EVERY", timedelta(milliseconds=20))
    monkeypatch.setattr(course_room, "PAUSES", (timedelta(milliseconds=5), timedelta(milliseconds=5)))


def run(
    lake: Lake, night: Night, hours: Hours | None = None, windows: tuple[DateWindow, ...] = WINDOWS
) -> BackfillRecord:
    course = Course(lake, hours, show=False)
    with course.alone("a backfill"), course.recorded("folder", "key", DAYS, windows):
        for window in course.waiting():
            course.work_off(window, night)
    return course.record


def test_windows_are_worked_off_newest_first_and_on_record(lake: Lake) -> None:
    seen: list[date] = []

    def night(window: WindowRecord, closing: datetime | None) -> Tally:
        (record,) = read_records(lake)
        assert [item.state for item in record.windows].count(WindowState.RUNNING) == 1
        assert closing is None
        seen.append(window.first)
        return tally(window.owed - 1, failed=1)

    record = run(lake, night)
    assert seen == [window.first for window in WINDOWS]
    assert record == read_records(lake)[0]
    assert (record.state, record.left) == (State.FINISHED, 0)
    assert [(w.worked, w.scored, w.failed) for w in record.windows] == [(5, 4, 1), (4, 3, 1), (3, 2, 1)]


def test_what_is_left_of_a_window_is_worked_off_before_the_next(lake: Lake) -> None:
    answers = [tally(2, left=3), tally(5, unchanged=2), tally(4), tally(3)]
    seen: list[date] = []

    def night(window: WindowRecord, closing: datetime | None) -> Tally:
        seen.append(window.first)
        return answers.pop(0)

    record = run(lake, night)
    assert seen == [WINDOWS[0].first, *(window.first for window in WINDOWS)]
    assert record.windows[0].worked == 5


def test_a_stopped_backfill_goes_on_with_what_is_owed(lake: Lake) -> None:
    def interrupted(window: WindowRecord, closing: datetime | None) -> Tally:
        if window.first == WINDOWS[1].first:
            raise KeyboardInterrupt
        return tally(window.owed)

    with pytest.raises(KeyboardInterrupt):
        run(lake, interrupted)
    (record,) = read_records(lake)
    assert record.state is State.STOPPED
    assert [item.state for item in record.windows] == ["done", "waiting", "waiting"]
    again = run(lake, all_of_it, windows=WINDOWS[1:])  # as a census would say now
    assert again.started_at == record.started_at
    assert [item.state for item in again.windows] == ["done"] * 3
    assert [item.worked for item in again.windows] == [5, 4, 3]
    assert len(read_records(lake)) == 1


def test_an_archive_that_does_not_answer_is_asked_again(lake: Lake) -> None:
    answers = iter([ArchiveError("no answer."), ArchiveError("no answer.")])

    def night(window: WindowRecord, closing: datetime | None) -> Tally:
        for error in answers:
            (record,) = read_records(lake)
            assert record.state is State.RUNNING
            raise error
        return tally(window.owed)

    assert run(lake, night).state is State.FINISHED


def test_an_archive_that_never_answers_ends_it(lake: Lake) -> None:
    tries: list[int] = []

    def night(window: WindowRecord, closing: datetime | None) -> Tally:
        tries.append(1)
        raise ArchiveError("no answer")

    with pytest.raises(ArchiveError):
        run(lake, night)
    assert len(tries) == 1 + len(course_room.PAUSES)
    assert read_records(lake)[0].state is State.STOPPED


def test_an_archive_that_falls_silent_within_a_window_is_asked_again_later(lake: Lake) -> None:
    silent = replace(tally(1, left=4), archive_note=SILENT.note)
    answers = [silent, tally(5, unchanged=1), tally(4), tally(3)]
    assert run(lake, lambda *_: answers.pop(0)).windows[0].worked == 5
    with pytest.raises(ArchiveError, match="stopped answering"):
        run(lake, lambda *_: silent)


def test_a_note_about_studies_that_are_gone_is_no_silence(lake: Lake) -> None:
    noted = replace(tally(1, left=4), archive_note="The archive no longer lists 9 of 10 studies.")
    answers = [noted] * (len(course_room.PAUSES) + 1) + [tally(5), tally(4), tally(3)]
    assert run(lake, lambda *_: answers.pop(0)).state is State.FINISHED


def test_a_second_backfill_leaves_saying_why(lake: Lake) -> None:
    def night(window: WindowRecord, closing: datetime | None) -> Tally:
        with pytest.raises(LakeBusyError, match=f"a backfill on .*process {os.getpid()}"):
            run(lake, all_of_it)
        return tally(window.owed)

    assert run(lake, night).state is State.FINISHED


def test_it_does_not_begin_a_window_while_a_night_has_the_lake(lake: Lake) -> None:
    ended: list[str] = []
    began = threading.Event()

    def a_night() -> None:
        with Lake(lake.root).locked("a night"):
            began.set()
            while not read_records(lake) or read_records(lake)[0].state is not State.WAITING:
                clock.sleep(0.01)
            ended.append("night")

    def night(window: WindowRecord, closing: datetime | None) -> Tally:
        ended.append("window")
        return tally(window.owed)

    with lake.locked("make it"):
        pass
    thread = threading.Thread(target=a_night)
    thread.start()
    assert began.wait(10)
    run(lake, night)
    thread.join(10)
    assert ended == ["night", "window", "window", "window"]


def test_a_night_that_waits_gets_the_lake_between_two_studies(lake: Lake) -> None:
    """The window sees that the lake is wanted, leaves the rest, and goes on after the night."""
    order: list[str] = []

    def a_night() -> None:
        with Lake(lake.root).locked("a night", patience_s=30.0):
            order.append("night")

    waiting = threading.Thread(target=a_night)

    def night(window: WindowRecord, closing: datetime | None) -> Tally:
        shift = Shift(lake, closing, gives_way=True)
        with lake.locked("a backfill", gives_way=True):
            assert not shift.is_over()
            if window.worked == 0:
                waiting.start()
                while not shift.is_over():
                    clock.sleep(0.01)
                order.append("gave way")
                return tally(1, left=window.owed - 1)
            order.append("went on")
            return tally(window.owed, unchanged=1)

    record = run(lake, night, windows=WINDOWS[:1])
    waiting.join(10)
    assert order == ["gave way", "night", "went on"]
    assert record.windows[0].worked == 5


def test_hours_end_a_window_and_a_window_is_told_so(lake: Lake) -> None:
    now = datetime.now(UTC)
    start, end = (now - timedelta(hours=2)).time(), (now + timedelta(hours=2)).time()
    hours = Hours(minute(start), minute(end), UTC)
    told: list[datetime | None] = []

    def night(window: WindowRecord, closing: datetime | None) -> Tally:
        told.append(closing)
        return tally(window.owed)

    run(lake, night, hours, WINDOWS[:1])
    (closing,) = told
    assert closing is not None
    assert abs(closing - now - timedelta(hours=2)) < timedelta(minutes=2)
    assert read_records(lake)[0].hours == f"{hours} UTC"


def test_outside_its_hours_it_waits_and_says_until_when(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    hours = Hours(minute((now + timedelta(hours=2)).time()), minute((now + timedelta(hours=3)).time()), UTC)

    def sleep(seconds: float) -> None:
        (record,) = read_records(lake)
        assert record.state is State.WAITING
        assert f"until {hours.opening(now):%a %d %b %H:%M}" in record.note
        assert "UTC" in printed(status_screen(record, "a backfill", 0))
        raise KeyboardInterrupt

    monkeypatch.setattr(clock, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        run(lake, all_of_it, hours)


@pytest.mark.parametrize("ends_in_s", [-1, 3600])
def test_a_shift_ends_at_its_hour(ends_in_s: int, lake: Lake) -> None:
    shift = Shift(lake, datetime.now(UTC) + timedelta(seconds=ends_in_s))
    assert shift.is_over() is (ends_in_s < 0)


def test_the_status_is_one_screen_whatever_the_number_of_windows(lake: Lake) -> None:
    months = tuple(
        DateWindow(date(year, month, 1), date(year, month, 28), 10)
        for year in range(2024, 2014, -1)
        for month in range(12, 0, -1)
    )

    def night(window: WindowRecord, closing: datetime | None) -> Tally:
        if window.first.year == 2020:
            raise KeyboardInterrupt
        return tally(9, failed=1)

    with pytest.raises(KeyboardInterrupt):
        run(lake, night, windows=months)
    (record,) = read_records(lake)
    text = printed(status_screen(record, None, 0))
    assert "48 done, 0 under way, 72 waiting" in text
    assert "480 worked on, 48 of them failed, 720 left" in text
    assert "the same command goes on" in text
    assert "2020-12-01" in text
    assert len(text.splitlines()) < 40
    document = status_json(record, None, 0)
    assert (document["studies_left"], document["at_work"]) == (720, False)


def test_a_damaged_record_is_passed_over(lake: Lake) -> None:
    run(lake, all_of_it)
    (path,) = (lake.root / "runs" / "backfill").glob("*.json")
    path.write_bytes(path.read_bytes()[:50])
    assert read_records(lake) == []
    assert run(lake, all_of_it).state is State.FINISHED


def minute(clock: time) -> time:
    return clock.replace(second=0, microsecond=0)
