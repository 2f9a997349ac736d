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
    archive: Annotated[str, Field(description="A folder, https://host/dicom-web, or dimse://AET@host:port.")],
    first_day: Annotated[date, Field(description="First study date.")],
    last_day: Annotated[date, Field(description="Last study date.")],
    lake: Annotated[Path | None, Field(description="Folder of the results; default: the settings'.")] = None,
    only: Annotated[str | None, Field(description="Hours to work in, such as 20:00-06:00.")] = None,
    time_zone: Annotated[str | None, Field(description="Whose hours, such as Europe/Berlin.")] = None,
    max_requests: Annotated[int | None, Field(ge=1, description="Requests to the archive at once.")] = None,
    max_mb_per_s: Annotated[float | None, Field(gt=0, description="MB a second from the archive.")] = None,
    show_progress: Annotated[bool, Field(description="Print a bar, or lines.")] = True,
) -> BackfillRecord:
    """Screen every study of these days that has no row yet, window by window, the newest first.

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
