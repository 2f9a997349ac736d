"""The `osteoscreen` command: each subcommand in a line or two, the work being done elsewhere."""

from __future__ import annotations

import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows import show
from flows.commands.backfill import backfill
from flows.commands.deploy import deploy
from flows.console import (
    A_DAY,
    ARCHIVE_HELP,
    DAY,
    FAILED_STUDIES,
    USAGE,
    JsonOption,
    LakeOption,
    err,
    exit_status,
    is_debug,
    out,
    set_debug,
)
from tasks.outcomes import ConfigurationError
from tasks.settings import load_settings

app = typer.Typer(
    name="osteoscreen",
    help="Opportunistic osteoporosis screening over an archive of chest CT. Start with: osteoscreen demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Format(StrEnum):
    """How a table is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and what Prefect logs.")] = False,
) -> None:
    set_debug(debug)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the archive and the lake go.")] = Path("demo"),
    patients: Annotated[int, typer.Option(min=1, help="How many patients to generate.")] = 40,
    seed: Annotated[int, typer.Option(help="Another seed gives other patients.")] = 0,
) -> None:
    """The whole night on a generated archive: needs no data, no server and no settings."""
    from flows.demo import run_demo

    with exit_status():
        run_demo(folder, patients=patients, seed=seed, console=out, debug=is_debug())
        out.print(show.how_to_look(folder / "lake"))


@app.command()
def screen(
    archive: Annotated[str, typer.Argument(help=ARCHIVE_HELP)],
    lake: LakeOption = None,
    since: Annotated[
        datetime | None, typer.Option(formats=DAY, metavar=A_DAY, help="First study date.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=DAY, metavar=A_DAY, help="Last study date.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """One night over an archive. Run it again at any time: what is done is not done twice.

    Accounts of network archives come from the environment or a file
    (docs/archives.md). What changed in such an archive within the last 30
    minutes is left for a later run; OSTEOSCREEN_SETTLE_MINUTES=0 takes it at
    once.
    """
    from flows.orchestrator import check_apart
    from flows.prefect_server import orchestrated
    from tasks.archive.archive import open_archive
    from tasks.archive.folder import FolderArchive

    with exit_status():
        settings = load_settings(lake=lake)
        source = open_archive(archive, settings)  # what is wrong is said before there is a lake or a server
        if isinstance(source, FolderArchive):
            check_apart(source.root, settings.lake)
        with orchestrated(settings.lake, debug=is_debug()):
            from flows.nightly import nightly

            tally = nightly(
                archive=archive,
                lake=settings.lake,
                since=since.date() if since else None,
                until=until.date() if until else None,
                show_progress=not json,
            )
        if json:
            show.print_json(out, tally.as_json())
        else:
            out.print(show.tally_table(tally))
            out.print(show.how_to_look(settings.lake))
        if tally.failed:
            raise typer.Exit(FAILED_STUDIES)


app.command()(backfill)
app.command()(deploy)


@app.command()
def worklist(
    lake: LakeOption = None,
    date: Annotated[
        datetime | None,
        typer.Option(formats=DAY, metavar=A_DAY, help="Only what was screened on this day."),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.TABLE,  # noqa: A002 - the option's name
) -> None:
    """Whom to look at first, and why."""
    from tasks.publish.lake import Lake
    from tasks.publish.query import worklist as query
    from tasks.publish.show import as_csv, as_json, worklist_table

    with exit_status():
        listed = query(Lake(load_settings(lake=lake).lake), date.date() if date else None)
        if format is Format.TABLE:
            out.print(worklist_table(listed))
        else:
            sys.stdout.write(as_csv(listed) if format is Format.CSV else as_json(listed))


@app.command()
def explain(
    study_uid: Annotated[str, typer.Argument(help="StudyInstanceUID, or its last digits.")],
    lake: LakeOption = None,
) -> None:
    """Everything known of one study, in words, and where its picture is."""
    from tasks.publish.lake import Lake

    with exit_status():
        show.print_study(out, Lake(load_settings(lake=lake).lake), study_uid.lstrip("…."))


@app.command()
def sql(
    file: Annotated[Path | None, typer.Argument(help="A file with one query.")] = None,
    command: Annotated[str | None, typer.Option("-c", help="The query itself.")] = None,
    lake: LakeOption = None,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.TABLE,  # noqa: A002 - the option's name
) -> None:
    """One read-only query over the lake: its tables, and the views of sql/."""
    from tasks.publish.lake import Lake
    from tasks.publish.query import run_sql
    from tasks.publish.show import as_csv, as_json, as_table

    with exit_status():
        query = _query(file, command)
        answer = run_sql(Lake(load_settings(lake=lake).lake), query)
        if format is Format.TABLE:
            out.print(as_table(answer))
        else:
            sys.stdout.write(as_csv(answer) if format is Format.CSV else as_json(answer))


@app.command()
def triton() -> None:
    """The embedded Triton server, in the foreground, until Ctrl-C."""
    from tasks.infer.foreground import serve_foreground

    with exit_status():
        status = serve_foreground(load_settings().inference, lambda line: out.print(line, soft_wrap=True))
        if status:
            raise typer.Exit(status)


@app.command()
def phantom(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="A folder that does not exist or is empty.")],
    patients: Annotated[int, typer.Option(min=1, help="How many patients.")] = 40,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 0,
) -> None:
    """A generated archive with known truth beside it (truth.parquet). It proves machinery, not medicine."""
    from flows.demo import generate

    with exit_status():
        truth = generate(folder, patients=patients, seed=seed, console=err)
        out.print(f"Truth: {truth}", soft_wrap=True)


@app.command()
def train(
    out_folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="Version folder to write: model.onnx and manifest.json.")
    ],
    scratch: Annotated[Path, typer.Option(help="Folder for crops and checkpoints.")] = Path(
        ".scratch/training"
    ),
    seed: Annotated[
        int | None, typer.Option(help="Of cohort and network; default: that of the committed weights.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; default: all.")] = None,
) -> None:
    """Train phantom-reference weights (15 minutes on two idle cores; goes on where it was interrupted)."""
    from flows.training import train_reference
    from tasks.learn.reference import REFERENCE_SEED

    with exit_status():
        train_reference(
            out_folder, REFERENCE_SEED if seed is None else seed, scratch=scratch, threads=threads
        )


@app.command()
def doctor(lake: LakeOption = None) -> None:
    """What works here and what does not, and what to do about it."""
    from flows.doctor import examine

    with exit_status():
        if not show.print_checks(out, examine(load_settings(lake=lake))):
            raise typer.Exit(USAGE)


def _query(file: Path | None, command: str | None) -> str:
    if (file is None) == (command is None):
        raise ConfigurationError("Give one query: a file, or -c 'SELECT …'.")
    if command is not None:
        return command
    assert file is not None  # noqa: S101 - one of the two is given
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"There is no file {file}: give one that holds a query, or -c.") from None
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{file} cannot be read as text: give a file that holds a query.") from None


def main() -> None:
    """Entry point of the `osteoscreen` command."""
    app()
