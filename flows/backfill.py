"""The backfill: a range of dates as bounded windows of the same night, newest first, on one page.

What is done is what has rows; so it may be stopped at any moment, and the same command goes on. A night that
wants the lake goes first.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.calendar.course import Course
from flows.calendar.planning import load_over, plan_backfill, working_hours
from flows.calendar.record import BackfillRecord, WindowRecord
from flows.kept import open_source
from flows.nightly import nightly
from flows.tally import Tally
from tasks.publish.lake import Lake
from tasks.settings import load_settings


@flow(name="backfill")
def backfill(
    archive: str,
    first_day: date,
    last_day: date,
    lake: Path | None = None,
    only: str | None = None,
    time_zone: str | None = None,
    max_requests: Annotated[int | None, Field(ge=1)] = None,
    max_mb_per_s: Annotated[float | None, Field(gt=0)] = None,
    show_progress: bool = True,
) -> BackfillRecord:
    """Screen every study of these days that has no row yet, window by window, the newest first.

    Args:
        archive: A folder, https://host/dicom-web, or dimse://AET@host:port.
        first_day: First study date.
        last_day: Last study date.
        lake: Folder of the results; default from the settings.
        only: Hours to work in, such as 20:00-06:00; default all.
        time_zone: Whose hours, such as Europe/Berlin; default from the settings, else this machine's.
        max_requests: Requests to the archive at once; default from the settings.
        max_mb_per_s: MB a second from the archive; default from the settings.
        show_progress: Print a bar, or lines.

    Returns:
        What was done.
    """
    load = load_over(max_requests, max_mb_per_s)
    settings = load_settings(lake=lake, **load)
    hours = working_hours(settings, only, time_zone)
    source = open_source(archive, settings)

    def night(window: WindowRecord, closing: datetime | None) -> Tally:
        return nightly.with_options(flow_run_name=f"{window.first} to {window.last}")(
            archive=archive,
            lake=settings.lake,
            since=window.first,
            until=window.last,
            show_progress=show_progress,
            stop_at=closing,
            gives_way=True,
            settings=load,
        )

    course = Course(Lake(settings.lake), hours, show=show_progress)
    with course.alone(f"a backfill of {first_day} to {last_day}"):
        plan = plan_backfill(source, settings, first_day, last_day, hours)
        with course.recorded(source.kind, source.key, (first_day, last_day), plan.windows):
            for window in course.waiting():
                course.work_off(window, night)
    return course.record
