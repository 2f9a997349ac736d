"""`Plan`: what a backfill would do, how long it would take and when it would end, before anything is done."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from flows.calendar.census import Census
from flows.calendar.hours import Hours
from flows.calendar.windows import DateWindow, cut_windows
from tasks.archive.load import BYTES_PER_MB
from tasks.publish.lake import Lake
from tasks.settings import Cluster, Settings

# Rows that a pace is measured on, the newest: a machine or an archive of a year ago tells nothing of today.
MEASURED_STUDIES = 2000
# Where the lake has none: a chest CT of 300 slices takes a worker about so long, of which it reads a third of
# one series of 512 x 512 pixels.
ASSUMED_SECONDS = 5.0
ASSUMED_BYTES = 100 * 512 * 512 * 2
# Server, worker processes and the listing of the archive at the start of each window.
WINDOW_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Pace:
    """What one study takes.

    Attributes:
        seconds: of one worker.
        bytes_read: from the archive.
        measured_on: how many studies of the lake tell so; 0 when it is assumed.
    """

    seconds: float
    bytes_read: float
    measured_on: int = 0


ASSUMED_PACE = Pace(ASSUMED_SECONDS, ASSUMED_BYTES)
RECALLED_PACE = Pace(seconds=2.0, bytes_read=0.0)
"""What a study takes whose crops are kept: four crops through the network on one core, and its picture."""


@dataclass(frozen=True, slots=True)
class Month:
    """The studies of a month: how many there are, are done, and are owed in how many windows."""

    month: str
    studies: int
    done: int
    windows: int

    @property
    def owed(self) -> int:
        """Studies without a row."""
        return self.studies - self.done


@dataclass(frozen=True, slots=True)
class Plan:
    """What a backfill would do.

    Attributes:
        months: the newest first.
        work: time that it would be at work.
        begins, ends: when, in UTC, given the hours in which it may work.
        capped: whether the cap on MB/s makes it take so long, and not the work itself.
    """

    months: tuple[Month, ...]
    windows: tuple[DateWindow, ...]
    pace: Pace
    workers: int
    work: timedelta
    begins: datetime
    ends: datetime
    hours: Hours | None
    capped: bool
    undated: int

    @property
    def owed(self) -> int:
        """Studies that it would work on."""
        return sum(window.studies for window in self.windows)

    @property
    def bytes_read(self) -> float:
        """What it would read from the archive, an estimate."""
        return self.owed * self.pace.bytes_read


def make_plan(census: Census, pace: Pace, settings: Settings, hours: Hours | None, now: datetime) -> Plan:
    """Plan the studies that a census owes.

    Args:
        now: when it would start.
    """
    windows = cut_windows(census.owed, settings.calendar.window_studies)
    owed = sum(window.studies for window in windows)
    workers = workers_of(settings.cluster)
    at_work = owed * pace.seconds / workers + len(windows) * WINDOW_SECONDS
    rate = settings.network.max_mb_per_s
    on_the_way = owed * pace.bytes_read / (rate * BYTES_PER_MB) if rate else 0.0
    work = timedelta(seconds=max(at_work, on_the_way))
    return Plan(
        months=_months(census, windows),
        windows=windows,
        pace=pace,
        workers=workers,
        work=work,
        begins=hours.opening(now) if hours else now,
        ends=hours.end_of_work(now, work) if hours else now + work,
        hours=hours,
        capped=on_the_way > at_work,
        undated=census.undated,
    )


def measure_pace(lake: Lake) -> Pace:
    """The mean over the newest studies that were read from an archive; assumed when the lake has none."""
    if not lake.exists():
        return ASSUMED_PACE
    rows = lake.screenings.read(["screened_at", "seconds_total", "bytes_read"])
    # work on kept crops reads nothing, and tells nothing of reading
    read = pc.or_kleene(pc.is_null(rows["bytes_read"]), pc.greater(rows["bytes_read"], 0))
    rows = rows.filter(pc.and_(read, pc.greater(rows["seconds_total"], 0)))
    newest = rows.sort_by([("screened_at", "descending")]).slice(0, MEASURED_STUDIES)
    if not len(newest):
        return ASSUMED_PACE
    return Pace(_mean(newest["seconds_total"]), _mean(newest["bytes_read"]), len(newest))


def workers_of(cluster: Cluster) -> int:
    """Processes that a cluster works with."""
    return 1 if cluster.kind == "inline" else cluster.workers or os.cpu_count() or 1


def _mean(column: pa.ChunkedArray) -> float:
    return float(pc.mean(pc.fill_null(column, 0)).as_py())


def _months(census: Census, windows: tuple[DateWindow, ...]) -> tuple[Month, ...]:
    studies: Counter[str] = Counter()
    done: Counter[str] = Counter()
    for day, number in census.studies.items():
        studies[_month(day)] += number
    for day, number in census.done.items():
        done[_month(day)] += number
    cut = Counter(_month(window.first) for window in windows)
    return tuple(
        Month(month, studies[month], done[month], cut[month]) for month in sorted(studies, reverse=True)
    )


def _month(day: date) -> str:
    return f"{day:%Y-%m}"
