"""From studies a day to the windows of a backfill: months, cut where they hold too much, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby


@dataclass(frozen=True, slots=True)
class DateWindow:
    """A run of days within one month, both included, and how many studies it owes."""

    first: date
    last: date
    studies: int

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


def cut_windows(owed: Mapping[date, int], most: int) -> tuple[DateWindow, ...]:
    """Windows that hold every day with studies once, the newest first.

    Args:
        owed: studies by day; days without any may be left out.
        most: studies of one window. A day is never cut, so that a window of one day may hold more.

    Returns:
        Windows of one month each, from its first to its last day that owes studies, or shorter.
    """
    days = sorted((day for day, studies in owed.items() if studies > 0), reverse=True)
    months = groupby(days, key=lambda day: (day.year, day.month))
    return tuple(window for _, month in months for window in _cut(list(month), owed, most))


def _cut(days: list[date], owed: Mapping[date, int], most: int) -> Iterator[DateWindow]:
    """The windows of one month, whose days come newest first."""
    taken: list[date] = []
    studies = 0
    for day in days:
        if taken and studies + owed[day] > most:
            yield DateWindow(taken[-1], taken[0], studies)
            taken, studies = [], 0
        taken.append(day)
        studies += owed[day]
    yield DateWindow(taken[-1], taken[0], studies)
