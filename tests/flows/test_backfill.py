"""A backfill as a data engineer runs it: plan, stop, change the hours, go on, read what happened."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows import cli
from tasks.publish.journal import Journal
from tasks.publish.lake import Lake
from tests.flows.command import Answer, Running, osteoscreen, start, table
from tests.flows.conftest import FinishedNight

pytestmark = [pytest.mark.triton, pytest.mark.xdist_group("night")]

DAYS = ("--from", "2025-01-01", "--to", "2025-12-31")
WITHIN_S = 300.0


def backfill(night: FinishedNight, lake: Path, *more: str | Path) -> Answer:
    return osteoscreen("backfill", night.archive, *DAYS, "--lake", lake, *more, cwd=lake.parent)


def status(lake: Path) -> dict[str, object]:
    answer = osteoscreen("backfill", "--status", "--json", "--lake", lake, cwd=lake.parent)
    document: dict[str, object] = json.loads(answer.out) if answer.status == 0 else {}
    return document


def wait_for(lake: Path, what: str) -> None:
    """Until a study is `finished`, or the backfill says that it is `waiting`."""
    deadline_s = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline_s:
        if what == "finished" and (Journal(Lake(lake)).load() or Lake(lake).finished()):
            return
        if what == "waiting" and status(lake).get("state") == "waiting":
            return
        time.sleep(0.1)
    pytest.fail(f"not {what} within {WITHIN_S:.0f} s")


def terminated(running: Running) -> tuple[int, str]:
    running.process.send_signal(signal.SIGTERM)
    _, err = running.process.communicate(timeout=WITHIN_S)
    return running.process.returncode, err


def test_a_plan_is_made_from_a_lake_as_it_is(night: FinishedNight, tmp_path: Path) -> None:
    shutil.copytree(night.lake, tmp_path / "lake", ignore=shutil.ignore_patterns(".prefect"))
    months = Counter(f"{row['study_date']:%Y-%m}" for row in table(night.lake, "screenings").to_pylist())
    document = json.loads(backfill(night, tmp_path / "lake", "--plan", "--json").out)
    assert {month["month"]: month["studies"] for month in document["months"]} == months
    assert (document["owed"], document["windows"]) == (0, 0)
    assert 0 < document["measured_on_studies"] <= len(night.truth)


def test_a_plan_leaves_nothing_behind(night: FinishedNight, tmp_path: Path) -> None:
    answer = backfill(night, tmp_path / "lake", "--plan", "--only", "20:00-06:00")
    assert answer.status == 0
    assert "assumed" in answer.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("backfill",), "--from"),
        (("backfill", ".", *DAYS, "--only", "20-06"), "20:00-06:00"),
        (("backfill", ".", *DAYS, "--only", "20:00-06:00", "--time-zone", "Mars/Base"), "time zone"),
        (("backfill", ".", *DAYS, "--from-crops"), "--from-crops"),
        (("backfill", "--status"), "no lake"),
        (("backfill", "--from-crops"), "no lake"),
        (("backfill", "nowhere", *DAYS, "--plan"), "archive"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(cli.app, arguments)
    assert answer.exit_code == 2
    assert said in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_it_is_stopped_and_goes_on_and_ends_as_one_night_would(night: FinishedNight, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    now = time.time()
    closed = f"{_clock(now + 3 * 3600)}-{_clock(now + 4 * 3600)}"

    waiting = start(
        "backfill", night.archive, *DAYS, "--lake", lake, "--only", closed, "--time-zone", "UTC", cwd=tmp_path
    )
    wait_for(lake, "waiting")
    second = backfill(night, lake)
    assert (second.status, "a backfill of 2025-01-01" in second.err) == (3, True)
    assert terminated(waiting)[0] == 3
    assert status(lake)["state"] == "stopped"
    assert len(table(lake, "screenings")) == 0

    stopped = start("backfill", night.archive, *DAYS, "--lake", lake, cwd=tmp_path)
    wait_for(lake, "finished")
    code, err = terminated(stopped)
    assert (code, "the same command goes on" in err, "Traceback" in err) == (3, True, False)
    assert stopped.wait_until_gone(30.0) == []

    assert backfill(night, lake).status == night.answer.status
    rows = table(lake, "screenings").to_pylist()
    assert {row["study_uid"]: (row["outcome"], row["reason"]) for row in rows} == night.truth
    assert len(rows) == len(night.truth)
    document = status(lake)
    assert (document["state"], document["studies_left"], document["at_work"]) == ("finished", 0, False)
    again = backfill(night, lake, "--plan", "--json")
    assert json.loads(again.out)["owed"] == 0


@pytest.mark.slow
def test_a_night_gets_the_lake_from_a_backfill_that_has_begun(night: FinishedNight, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    running = start("backfill", night.archive, *DAYS, "--lake", lake, cwd=tmp_path)
    wait_for(lake, "finished")
    answer = osteoscreen(
        "screen", night.archive, "--until", "2025-01-20", "--lake", lake, "--json", cwd=tmp_path
    )
    assert json.loads(answer.out)["found"] > 0  # and was not told that the lake is being written
    running.process.communicate(timeout=WITHIN_S)
    rows = table(lake, "screenings").to_pylist()
    assert {row["study_uid"]: (row["outcome"], row["reason"]) for row in rows} == night.truth
    assert len(rows) == len(night.truth)
    assert {run["status"] for run in table(lake, "runs").to_pylist()} == {"finished"}


def _clock(moment_s: float) -> str:
    return time.strftime("%H:%M", time.gmtime(moment_s))
