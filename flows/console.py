"""What all commands share: where they print, the options that several have, and how a command ends.

Exit status: 0 when every study found has its row (refusals are normal), 1 when some studies failed, 2 for a
usage or configuration error, 3 when the run itself could not finish.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from tasks.outcomes import ConfigurationError, OsteoscreenError

FAILED_STUDIES, USAGE, BROKEN = 1, 2, 3

# Where the output is no terminal, lines are as long as a table needs, for files and pagers.
out = Console(width=None if Console().is_terminal else 160)
err = Console(stderr=True)
_debug = False

LakeOption = Annotated[
    Path | None, typer.Option("--lake", help="Folder of the results. Default: `lake` of the settings.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")]
DAY = ["%Y-%m-%d", "%Y%m%d"]
A_DAY = "YYYY-MM-DD"
ARCHIVE_HELP = (
    "A folder of DICOM files, in any nesting, with any names; or a DICOMweb archive, "
    "https://host/dicom-web; or a DIMSE archive, dimse://AET@host:port."
)


def set_debug(debug: bool) -> None:
    """Whether errors show their tracebacks from now on."""
    global _debug
    _debug = debug


def is_debug() -> bool:
    """Whether errors show their tracebacks."""
    return _debug


@contextmanager
def exit_status() -> Iterator[None]:
    """One sentence and the right exit status for every error; the traceback only with --debug.

    SIGTERM, which a scheduler or a service manager sends, ends a command as Ctrl-C does: everything that it
    started is stopped.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except OsteoscreenError as error:
        if _debug:
            raise
        err.print(f"[red]osteoscreen:[/red] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise typer.Exit(USAGE if isinstance(error, ConfigurationError) else BROKEN) from None
    except KeyboardInterrupt:
        err.print("Interrupted. What is finished is kept: the same command goes on from here.")
        raise typer.Exit(BROKEN) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        if _debug:
            raise
        err.print(
            f"[red]osteoscreen:[/red] the run could not finish ({type(error).__name__}). "
            "The same command goes on from here; add --debug before the subcommand to see where it broke.",
            soft_wrap=True,
        )
        raise typer.Exit(BROKEN) from None
