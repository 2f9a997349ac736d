"""What is printed can be used as it stands."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from flows.show import how_to_look, tally_table
from flows.tally import Tally
from tasks.outcomes import Outcome

QUESTION = "is it the right archive?"


def printed(what: object) -> str:
    console = Console(width=300, file=io.StringIO(), record=True)
    console.print(what)
    return console.export_text()


@pytest.mark.parametrize("lake", ["lake", "a lake", "[red] lake", "夜's", "$(x);*"])
def test_commands_can_be_copied_whatever_the_lake_is_called(lake: str) -> None:
    commands = [line for line in printed(how_to_look(Path(lake))).splitlines() if "--lake" in line]
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command)
        assert words[words.index("--lake") + 1] == lake


def test_a_night_that_found_nothing_asks_whether_the_archive_is_the_right_one() -> None:
    assert QUESTION in printed(tally_table(Tally(found=0)))
    assert QUESTION not in printed(tally_table(Tally(found=1, outcomes={Outcome.SCORED: 1})))
    assert QUESTION not in printed(tally_table(Tally(found=0, arriving=1)))
