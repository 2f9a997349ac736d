"""`osteoscreen backfill`: plan, work off, or look at how far it has come."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from flows.console import (
    A_DAY,
    ARCHIVE_HELP,
    DAY,
    FAILED_STUDIES,
    JsonOption,
    LakeOption,
    exit_status,
    is_debug,
    out,
)
from tasks.outcomes import ConfigurationError
from tasks.settings import Settings, load_settings

if TYPE_CHECKING:
    from flows.calendar.plan import Plan
    from flows.calendar.record import BackfillRecord


# Before there was any CT.
_LONG_AGO = date(1970, 1, 1)


def backfill(
    archive: Annotated[str | None, typer.Argument(help=ARCHIVE_HELP)] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=DAY, metavar=A_DAY, help="First study date.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=DAY, metavar=A_DAY, help="Last study date.")
    ] = None,
    lake: LakeOption = None,
    from_crops: Annotated[
        bool, typer.Option("--from-crops", help="Score kept crops with today's model; give no ARCHIVE.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what it would do.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only say how far it has come.")] = False,
    only: Annotated[
        str | None, typer.Option(metavar="HH:MM-HH:MM", help="Hours to work in, such as 20:00-06:00.")
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(
            help="Whose hours, such as Europe/Berlin. Default: of the settings, else this machine's."
        ),
    ] = None,
    max_requests: Annotated[int | None, typer.Option(min=1, help="Requests to the archive at once.")] = None,
    max_mb_per_s: Annotated[
        float | None, typer.Option("--max-mb-per-s", help="MB a second from the archive.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Years of backlog, newest first, behind every night. Stop it at any time: the same command goes on.

    Look first, begin, go on in other hours after Ctrl-C, read what happened:

    \b
      backfill ARCHIVE --from 2019-01-01 --to 2024-12-31 --plan
      backfill ARCHIVE --from 2019-01-01 --to 2024-12-31 --only 20:00-06:00
      backfill ARCHIVE --from 2019-01-01 --to 2024-12-31 --max-mb-per-s 20
      backfill --status

    What has a row of today's model is not done again. A night that wants the
    lake gets it between two studies. Accounts of network archives come from
    the environment or a file (docs/archives.md).
    """
    with exit_status():
        if status:
            _show_status(load_settings(lake=lake), json=json)
            return
        address, days = _asked(archive, first, last, from_crops=from_crops)
        from flows.calendar.planning import load_over, plan_backfill, working_hours
        from flows.kept import open_source
        from flows.orchestrator import check_apart
        from flows.prefect_server import orchestrated
        from tasks.archive.folder import FolderArchive

        settings = load_settings(lake=lake, **load_over(max_requests, max_mb_per_s))
        source = open_source(address, settings)
        hours = working_hours(settings, only, time_zone)  # what is wrong is said before there is a lake
        if plan:
            _show_plan(plan_backfill(source, settings, *days, hours), json=json)
            return
        if isinstance(source, FolderArchive):
            check_apart(source.root, settings.lake)
        _refuse_a_second(settings)
        with orchestrated(settings.lake, debug=is_debug()):
            from flows.backfill import backfill as run

            record = run(
                archive=address,
                first_day=days[0],
                last_day=days[1],
                lake=settings.lake,
                only=only,
                time_zone=time_zone,
                max_requests=max_requests,
                max_mb_per_s=max_mb_per_s,
                show_progress=not json,
            )
        _show(record, settings, json=json)
        if any(window.failed for window in record.windows):
            raise typer.Exit(FAILED_STUDIES)


def _asked(
    archive: str | None, first: datetime | None, last: datetime | None, *, from_crops: bool
) -> tuple[str, tuple[date, date]]:
    """The archive's address and the days; of kept crops all days unless some are given."""
    from flows.kept import FROM_CROPS

    if from_crops and archive is None:
        today = datetime.now().astimezone().date()
        return FROM_CROPS, (first.date() if first else _LONG_AGO, last.date() if last else today)
    if from_crops or archive is None or first is None or last is None:
        raise ConfigurationError(
            "A backfill needs an archive and its days: ARCHIVE --from 2019-01-01 --to 2024-12-31; "
            "or --from-crops alone."
        )
    return archive, (first.date(), last.date())


def _refuse_a_second(settings: Settings) -> None:
    """Leave before anything is started, where another backfill is under way."""
    from flows.calendar.record import backfill_lock
    from tasks.publish.lake import Lake
    from tasks.publish.lock import LakeBusyError, holder

    other = holder(backfill_lock(Lake(settings.lake)))
    if other is not None:
        raise LakeBusyError(
            f"The lake {settings.lake} has {other} under way. Wait until it has ended, or stop it."
        )


def _show_plan(plan: Plan, *, json: bool) -> None:
    from flows.calendar.show import plan_json, plan_screen
    from flows.show import print_json

    if json:
        print_json(out, plan_json(plan))
    else:
        out.print(plan_screen(plan))


def _show_status(settings: Settings, *, json: bool) -> None:
    from flows.calendar.record import read_records
    from tasks.publish.lake import Lake

    lake = Lake(settings.lake).require()
    records = read_records(lake)
    if not records:
        raise ConfigurationError("This lake has seen no backfill: start one with ARCHIVE --from D --to D.")
    _show(records[0], settings, json=json)


def _show(record: BackfillRecord, settings: Settings, *, json: bool) -> None:
    from flows.calendar.record import State, backfill_lock
    from flows.calendar.show import status_json, status_screen
    from flows.show import print_json
    from tasks.publish.journal import Journal
    from tasks.publish.lake import Lake
    from tasks.publish.lock import holder

    lake = Lake(settings.lake)
    at_work = holder(backfill_lock(lake))
    is_running = at_work is not None and record.state is State.RUNNING
    finished_now = len(Journal(lake).load()) if is_running else 0
    if json:
        print_json(out, status_json(record, at_work, finished_now))
    else:
        out.print(status_screen(record, at_work, finished_now))
