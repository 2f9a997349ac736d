"""Windows of a backfill: every day once, no month twice in one, newest first, not more than may be."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from flows.calendar.windows import DateWindow, cut_windows

OWED = st.dictionaries(st.dates(date(2019, 1, 1), date(2020, 12, 31)), st.integers(0, 30), max_size=60)


def days(window: DateWindow) -> list[date]:
    return [window.first + timedelta(days=n) for n in range((window.last - window.first).days + 1)]


@given(OWED, st.integers(1, 60))
def test_every_study_is_in_one_window(owed: dict[date, int], most: int) -> None:
    windows = cut_windows(owed, most)
    held = Counter(day for window in windows for day in days(window))
    assert all(held[day] == 1 for day, studies in owed.items() if studies)
    assert max(held.values(), default=1) == 1
    for window in windows:
        assert window.studies == sum(owed.get(day, 0) for day in days(window)) > 0


@given(OWED, st.integers(1, 60))
def test_windows_stay_in_a_month_and_within_the_limit(owed: dict[date, int], most: int) -> None:
    for window in cut_windows(owed, most):
        assert (window.first.year, window.first.month) == (window.last.year, window.last.month)
        assert window.studies <= most or window.first == window.last


@given(OWED, st.integers(1, 60))
def test_the_newest_comes_first(owed: dict[date, int], most: int) -> None:
    for newer, older in pairwise(cut_windows(owed, most)):
        assert older.last < newer.first


@given(OWED)
def test_no_month_is_cut_without_need(owed: dict[date, int]) -> None:
    months = {(day.year, day.month) for day, studies in owed.items() if studies}
    assert len(cut_windows(owed, most=31 * 30)) == len(months)


def test_a_month_is_cut_at_a_day() -> None:
    owed = {date(2024, 3, day): 4 for day in (1, 9, 17, 30)} | {date(2024, 2, 29): 1}
    assert cut_windows(owed, most=10) == (
        DateWindow(date(2024, 3, 17), date(2024, 3, 30), 8),
        DateWindow(date(2024, 3, 1), date(2024, 3, 9), 8),
        DateWindow(date(2024, 2, 29), date(2024, 2, 29), 1),
    )
