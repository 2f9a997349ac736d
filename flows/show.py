"""What the command line prints: tables and words, nothing that computes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.tally import Tally
from tasks.outcomes import Outcome, Reason

if TYPE_CHECKING:
    from flows.doctor import Check
    from tasks.publish.lake import Lake

_STYLES = {Outcome.SCORED: "green", Outcome.EXCLUDED: "yellow", Outcome.FAILED: "red"}


def tally_table(tally: Tally) -> Table:
    """Found = scored + excluded + failed, with a line for every reason."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="Tally", title_justify="left")
    table.add_column("studies", justify="right")
    table.add_column("")
    table.add_column("meaning")
    table.add_row(str(tally.found), "found", "= scored + excluded + failed")
    for outcome in Outcome:
        table.add_row(str(tally.outcomes.get(outcome, 0)), f"[{_STYLES[outcome]}]{outcome}[/]", "")
        for reason in Reason:
            if reason.outcome is outcome and (number := tally.reasons.get(reason)):
                table.add_row(str(number), f"  {reason}", reason.sentence)
    for number, words in (
        (tally.unchanged, "done in an earlier run, not touched"),
        (tally.resumed, "taken over from a run that was interrupted"),
        (tally.left, "not begun, because the run was told to stop"),
        (tally.arriving, f"still arriving; a run after {_clock(tally.settled_at)} takes them"),
        (tally.gone, "no longer in the archive; their rows stay, marked"),
    ):
        if number:
            table.add_row(str(number), "", f"[dim]{words}[/]")
    if not tally.found and not tally.arriving:
        table.add_row("", "", "[yellow]no study of the days asked for: is it the right archive?[/]")
    if tally.unreadable_files:
        table.add_row(str(tally.unreadable_files), "", "[dim]damaged files in the archive[/]")
    if tally.archive_note:
        table.add_row("", "[yellow]archive[/]", tally.archive_note)
    return table


def _clock(moment: datetime | None) -> str:
    """A moment by the wall clock of this machine."""
    return moment.astimezone().strftime("%H:%M on %Y-%m-%d") if moment else "a while"


def how_to_look(lake: Path) -> str:
    """Where everything is, and commands that open it as they stand, whatever letters the path has."""
    named = shlex.quote(str(lake))
    return escape(
        f"Lake: {lake}   pictures: {lake / 'explain'}   database: {lake / 'screening.duckdb'}\n"
        f"  osteoscreen worklist --lake {named}              whom to look at first\n"
        f"  osteoscreen explain STUDY_UID --lake {named}     one study in words, and where its picture is\n"
        f"  osteoscreen sql --lake {named} -c 'FROM refusals'  ask anything"
    )


def print_json(console: Console, document: Mapping[str, object]) -> None:
    """One JSON document on standard output, never wrapped or coloured."""
    console.file.write(json.dumps(document, indent=2) + "\n")


def print_study(console: Console, lake: Lake, study_uid: str) -> None:
    """Everything that the lake knows of a study, newest first.

    Args:
        study_uid: or its last digits.

    Raises:
        ConfigurationError: when the lake has no such study, or several.
    """
    from tasks.explain.words import explain_words

    history = lake.history(lake.find(study_uid))
    for row, vertebrae in history:
        console.print(explain_words(row, vertebrae), markup=False, highlight=False, soft_wrap=True)
        if row.explain_path:
            console.print(f"Picture: {lake.root / row.explain_path}\n", markup=False, soft_wrap=True)


def print_checks(console: Console, checks: Sequence[Check]) -> bool:
    """What `doctor` found; True when everything that is needed works."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "what", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        mark = "[green]ok[/]" if check.works else "[red]no[/]" if check.is_needed else "[yellow]–[/]"
        table.add_row(mark, check.what, check.found, "" if check.works else check.remedy)
    console.print(table)
    return all(check.works for check in checks if check.is_needed)
