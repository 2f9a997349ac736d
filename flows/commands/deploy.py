"""`osteoscreen deploy`: the night on its schedule and the backfill as a form, served until stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.console import ARCHIVE_HELP, LakeOption, exit_status, is_debug, out
from tasks.settings import load_settings


def deploy(
    archive: Annotated[str, typer.Argument(help=ARCHIVE_HELP)],
    lake: LakeOption = None,
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Of the page, on this machine only.")] = 4200,
) -> None:
    """Every night by itself, and backfills by hand on a page; runs until it is stopped.

    The night is at 01:00 (OSTEOSCREEN_CALENDAR__NIGHT, and __TIME_ZONE for
    whose clock). Settings and accounts are those of this environment. With
    PREFECT_API_URL set, both are registered with that server instead.
    """
    with exit_status():
        from flows.calendar.hours import find_zone
        from flows.kept import open_source
        from flows.orchestrator import check_apart
        from flows.prefect_server import served
        from tasks.archive.folder import FolderArchive

        settings = load_settings(lake=lake)
        zone = find_zone(settings.calendar.time_zone)  # what is wrong is said before there is a server
        source = open_source(archive, settings)
        if isinstance(source, FolderArchive):  # wherever a run is started, it is this folder
            check_apart(source.root, settings.lake)
            archive = str(source.root)
        with served(settings.lake, port, debug=is_debug()) as page:
            from flows.deployments import serve_deployments

            out.print(
                f"Every night at {settings.calendar.night} ({zone}); backfills by hand.\n"
                f"Page: {page}/deployments   stop: Ctrl-C",
                highlight=False,
                soft_wrap=True,
            )
            out.file.flush()  # where it is a file, it would stand there only at the end
            serve_deployments(archive, settings)
