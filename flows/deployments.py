"""What the Prefect page shows: the night on its schedule, and the backfill as a form.

Each runs once at a time. Between the two the lake decides, not Prefect: a limit over both would let the night
wait for a whole backfill, and not for the studies at work.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from prefect import Flow, flow
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.schedules import Cron, Schedule
from prefect.types.entrypoint import EntrypointType

from flows import backfill as backfill_room
from flows.calendar.hours import find_zone
from flows.nightly import nightly
from flows.notify import tell_of_failure
from flows.presence import SETTLE_MINUTES
from tasks.outcomes import ConfigurationError
from tasks.settings import Settings, load_settings

NAME = "osteoscreen"


@flow(name="night", on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def night(archive: str, lake: Path | None = None) -> dict[str, object]:
    """The scheduled night: what is new since the last one, and has been quiet for the settle time.

    Args:
        archive: A folder, https://host/dicom-web, or dimse://AET@host:port.
        lake: Folder of the results; default from the settings.

    Returns:
        The tally.
    """
    settle_minutes = load_settings().settle_minutes
    quiet = SETTLE_MINUTES if settle_minutes is None else settle_minutes
    tally = nightly(archive=archive, lake=lake, show_progress=False, settings={"settle_minutes": quiet})
    return tally.as_json()


backfill = backfill_room.backfill.with_options(on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
"""The backfill as it is deployed: it tells of its failures, as nobody looks on."""


def deployments(archive: str, settings: Settings) -> tuple[RunnerDeployment, ...]:
    """The night every day, and the backfill by hand.

    Args:
        archive: address that the forms are filled in with.

    Raises:
        ConfigurationError: when there is no such time zone.
    """
    hour, minute = settings.calendar.night.split(":")
    zone = find_zone(settings.calendar.time_zone).key
    if zone not in available_timezones():
        raise ConfigurationError(
            "This machine's time zone has no name: set calendar.time_zone, such as Europe/Berlin."
        )
    common = {"archive": archive, "lake": str(settings.lake.absolute())}
    every_night = Cron(f"{int(minute)} {int(hour)} * * *", timezone=zone)
    return (
        _deployment(night, "night", common, schedule=every_night),
        _deployment(backfill, "backfill", common | {"show_progress": False}),
    )


def serve_deployments(archive: str, settings: Settings) -> None:
    """Register them and work off their runs, each in a process of its own, until stopped."""
    runner = _Served(name=NAME)
    for deployment in deployments(archive, settings):
        runner.add_deployment(deployment)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have it ignored in the background
    with suppress(KeyboardInterrupt):
        asyncio.run(runner.start())


class _Served(Runner):
    """Ends on SIGTERM as on Ctrl-C; Prefect's own handler leaves its runs without a stop."""

    def handle_sigterm(self, *_args: object, **_kwargs: object) -> None:
        signal.raise_signal(signal.SIGINT)


def _deployment(
    of: Flow[..., Any], name: str, parameters: dict[str, Any], schedule: Schedule | None = None
) -> RunnerDeployment:
    made = RunnerDeployment.from_flow(
        of,
        name=NAME,
        schedule=schedule,
        parameters=parameters,
        concurrency_limit=1,
        tags=[NAME],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    made.entrypoint = f"{__name__}.{name}"  # with its hooks, which the flow's own module does not have
    return made
