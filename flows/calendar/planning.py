"""From what is asked of a backfill to what it works with: its plan, its hours, its load on the archive."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from flows.calendar.census import take_census
from flows.calendar.hours import Hours, find_zone, parse_hours
from flows.calendar.plan import RECALLED_PACE, Plan, make_plan, measure_pace
from flows.kept import KeptArchive
from flows.night import active_manifest
from tasks.archive.archive import Archive
from tasks.archive.scan import Window
from tasks.outcomes import ConfigurationError
from tasks.publish.lake import Lake
from tasks.settings import Settings
from tasks.version import pipeline_version


def plan_backfill(
    archive: Archive, settings: Settings, first_day: date, last_day: date, hours: Hours | None
) -> Plan:
    """What a backfill that starts now would do; nothing is screened.

    Raises:
        ArchiveError: when the archive does not answer.
        ConfigurationError: when there is no such range of dates.
    """
    if first_day > last_day:
        raise ConfigurationError(f"{first_day} is after {last_day}: the first day comes first.")
    lake = Lake(settings.lake)
    model = active_manifest(settings.inference).version
    days = Window(first_day, last_day)
    census = take_census(archive, lake, days, model, pipeline_version(settings))
    pace = RECALLED_PACE if archive.kind == KeptArchive.kind else measure_pace(lake)
    return make_plan(census, pace, settings, hours, datetime.now(UTC))


def working_hours(settings: Settings, only: str | None, time_zone: str | None) -> Hours | None:
    """The hours in which a backfill may work; None for all of them.

    Raises:
        ConfigurationError: when hours or zone say nothing that can be used.
    """
    zone = find_zone(time_zone or settings.calendar.time_zone)
    return parse_hours(only, zone) if only else None


def load_over(max_requests: int | None, max_mb_per_s: float | None) -> dict[str, Any]:
    """Limits of the load on the archive, as settings over the others; empty without any."""
    given = {"max_requests": max_requests, "max_mb_per_s": max_mb_per_s}
    network = {name: value for name, value in given.items() if value is not None}
    return {"network": network} if network else {}
