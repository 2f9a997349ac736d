"""`osteoscreen demo` and `osteoscreen phantom`: a generated archive, and the whole night over it.

A generated cohort proves the machinery, never the medicine.
"""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from flows import show
from flows.prefect_server import orchestrated
from flows.tally import Tally
from tasks.outcomes import ConfigurationError
from tasks.phantom.archive import KNOWN_FILE, write_archive

_SEED_NOTE = "generated.txt"


def generate(folder: Path, *, patients: int, seed: int, console: Console) -> Path:
    """Write a generated archive, with a bar; returns the path of its truth.

    Raises:
        ConfigurationError: when the folder holds something else.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty: name a folder that does not exist yet.")
    with Progress(
        TextColumn("[bold]generating"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as bar:
        task = bar.add_task("", total=None)
        return write_archive(
            folder,
            patients=patients,
            seed=seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def run_demo(folder: Path, *, patients: int, seed: int, console: Console, debug: bool) -> Tally:
    """Generate an archive where there is none yet, screen it, and print worklist and tally.

    Args:
        folder: gets `archive/` and `lake/`.
        patients, seed: of the archive; one that was generated with others is not touched but refused.
    """
    archive, lake = folder / "archive", folder / "lake"
    asked = f"{patients} patients, seed {seed}\n"
    note = folder / _SEED_NOTE
    if not note.exists():
        generate(archive, patients=patients, seed=seed, console=console)
        note.write_text(asked, encoding="utf-8")
    elif note.read_text(encoding="utf-8") != asked:
        raise ConfigurationError(
            f"{folder} holds another demo ({note.read_text(encoding='utf-8').strip()}): "
            "remove it, or name another folder with --folder."
        )
    os.environ.setdefault("OSTEOSCREEN_ELIGIBILITY__KNOWN_OSTEOPOROSIS", str(archive / KNOWN_FILE))
    with orchestrated(lake, debug=debug):
        from flows.nightly import nightly

        tally = nightly(archive=archive, lake=lake)
    from tasks.publish.lake import Lake
    from tasks.publish.query import worklist
    from tasks.publish.show import worklist_table

    console.print(worklist_table(worklist(Lake(lake))))
    console.print(show.tally_table(tally))
    console.print(
        "[bold]These patients were generated: the numbers prove that the machinery works, "
        "and say nothing about medicine.[/]"
    )
    return tally
