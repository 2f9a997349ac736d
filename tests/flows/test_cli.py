"""The command line where no night is needed: help, usage errors, exit statuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows import cli
from tasks.outcomes import ConfigurationError, Excluded, Reason
from tasks.publish.lock import LakeBusyError

RUNNER = CliRunner()
# What the contract names; others may stand beside them.
COMMANDS = (
    "demo",
    "screen",
    "backfill",
    "deploy",
    "worklist",
    "explain",
    "sql",
    "train",
    "triton",
    "phantom",
    "doctor",
)


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without settings or lake."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_help_names_every_command() -> None:
    answer = RUNNER.invoke(cli.app, ["--help"])
    assert answer.exit_code == 0
    assert all(command in answer.output for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    answer = RUNNER.invoke(cli.app, [command, "--help"])
    assert answer.exit_code == 0
    assert "Usage" in answer.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["worklist"], "There is no lake"),
        (["explain", "1.2.3"], "There is no lake"),
        (["sql", "-c", "SELECT 1"], "There is no lake"),
        (["sql"], "Give one query"),
        (["sql", "file.sql", "-c", "SELECT 1"], "Give one query"),
        (["sql", "absent.sql"], "There is no file absent.sql: give one that holds a query"),
        (["sql", "."], "cannot be read as text: give a file that holds a query"),
        (["phantom", "full"], "is not empty"),
        (["screen", "archive", "--since", "yesterday"], "yesterday"),
        (["unheard-of"], "unheard-of"),
    ],
)
def test_a_usage_error_is_said_and_has_status_2(arguments: list[str], says: str, somewhere: Path) -> None:
    (somewhere / "full").mkdir()
    (somewhere / "full" / "letter.txt").touch()
    answer = RUNNER.invoke(cli.app, arguments)
    assert answer.exit_code == 2
    assert says in " ".join(answer.output.split())
    assert "Traceback" not in answer.output


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (ConfigurationError("Set it otherwise."), 2, "Set it otherwise."),
        (LakeBusyError("Someone writes."), 3, "Someone writes."),
        (Excluded(Reason.METAL), 3, "metal"),
        (KeyError("Doe^Jane"), 3, "KeyError"),
        (OSError("/archive/Doe^Jane"), 3, "OSError"),
        (KeyboardInterrupt(), 3, "goes on from here"),
    ],
)
def test_errors_end_in_a_sentence_and_a_status(
    error: BaseException, status: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "load_settings", breaks)
    answer = RUNNER.invoke(cli.app, ["worklist"])
    assert answer.exit_code == status
    assert says in answer.output
    assert "Doe" not in answer.output
    assert "Traceback" not in answer.output


def test_debug_lets_the_traceback_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(**_: object) -> None:
        raise KeyError("where")

    monkeypatch.setattr(cli, "load_settings", breaks)
    answer = RUNNER.invoke(cli.app, ["--debug", "worklist"])
    assert isinstance(answer.exception, KeyError)


def test_doctor_looks_at_everything_a_night_stands_on() -> None:
    answer = RUNNER.invoke(cli.app, ["doctor"], env={"COLUMNS": "200"})
    assert answer.exit_code in (0, 2)
    for what in ("Python", "memory", "lake", "model", "Triton", "JPEG Lossless"):
        assert what in answer.output


def test_doctor_says_what_to_do_about_what_is_missing(somewhere: Path) -> None:
    environment = {
        "OSTEOSCREEN_INFERENCE__MODEL_REPOSITORY": str(somewhere),
        "OSTEOSCREEN_INFERENCE__TRITON_ENVIRONMENT": str(somewhere / "absent"),
        "COLUMNS": "200",
    }
    answer = RUNNER.invoke(cli.app, ["doctor"], env=environment)
    assert answer.exit_code == 2
    words = " ".join(answer.output.split())
    assert "cannot be used" in words
    assert "not installed" in words
