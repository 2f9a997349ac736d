"""A night that is killed or stopped leaves nothing running, and the same command finishes what it began."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest

from tasks.outcomes import Reason
from tasks.publish.journal import Journal
from tasks.publish.lake import Lake
from tests.flows.command import osteoscreen, start, table
from tests.flows.conftest import FinishedNight

pytestmark = [pytest.mark.triton, pytest.mark.xdist_group("night")]

# What two nights over the same archive may differ in: who did it, when, and how long it took.
OF_THE_RUN = {"run_id", "screened_at", "seconds_read", "seconds_infer", "seconds_total"}
KEYS = {
    "screenings": ("study_uid",),
    "vertebrae": ("study_uid", "position"),
    "series": ("study_uid", "series_uid"),
}
# Longest that a server may outlive the night that started it.
GONE_WITHIN_S = 30.0
# Longest that a night may take to end what it started when it is told to stop, on a loaded machine.
STOPPED_WITHIN_S = 120.0

_random = random.Random(2025)
MOMENTS = [round((part + _random.random()) / 8, 2) for part in (4, 6, 0, 7, 3, 5, 2, 1)]
"""Parts of an uninterrupted night's time after which it is killed: one in each eighth, the busiest first."""


def rows(lake: Path, name: str) -> list[dict[str, object]]:
    """A table without what belongs to the run, in the order of its keys."""
    plain = [
        {column: value for column, value in row.items() if column not in OF_THE_RUN}
        for row in table(lake, name).to_pylist()
    ]
    return sorted(plain, key=lambda row: [str(row[key]) for key in KEYS[name]])


def finished(lake: Path) -> dict[str, tuple[str, str]]:
    """(run, moment) of every study that a dead night had finished, published or not, by its UID."""
    done = {}
    if (lake / "screenings").exists():
        for row in table(lake, "screenings").to_pylist():
            done[row["study_uid"]] = (row["run_id"], row["screened_at"].isoformat())
    for result in Journal(Lake(lake)).load().values():
        row_ = result.screening
        if row_.reason is None or not Reason(row_.reason).is_transient:
            done[row_.study_uid] = (row_.run_id, row_.screened_at.isoformat())
    return done


@pytest.mark.parametrize(
    "moment",
    [*MOMENTS[:2], *(pytest.param(moment, marks=pytest.mark.slow) for moment in MOMENTS[2:])],
)
def test_a_night_that_was_killed_is_finished_by_starting_it_again(
    moment: float, night: FinishedNight, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    killed = start("screen", night.archive, "--lake", lake, "--json", cwd=tmp_path)
    time.sleep(moment * night.seconds)
    killed.kill()
    assert killed.wait_until_gone(GONE_WITHIN_S) == []
    done = finished(lake)

    answer = osteoscreen("screen", night.archive, "--lake", lake, "--json", cwd=tmp_path)

    tally = json.loads(answer.out)
    assert answer.status == night.answer.status
    assert tally["found"] == len(night.truth) == tally["scored"] + tally["excluded"] + tally["failed"]
    assert tally["unchanged"] + tally["resumed"] == len(done)
    for name in KEYS:
        assert rows(lake, name) == rows(night.lake, name), name
    again = {row["study_uid"]: row for row in table(lake, "screenings").to_pylist()}
    for uid, (run_id, screened_at) in done.items():
        assert (again[uid]["run_id"], again[uid]["screened_at"].isoformat()) == (run_id, screened_at)
    assert Journal(Lake(lake)).load() == {}


@pytest.mark.slow
def test_a_night_that_is_killed_over_and_over_still_ends(night: FinishedNight, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    done: dict[str, tuple[str, str]] = {}
    for moment in MOMENTS[:4]:
        killed = start("screen", night.archive, "--lake", lake, cwd=tmp_path)
        time.sleep((0.4 + moment / 2) * night.seconds)
        killed.kill()
        assert killed.wait_until_gone(GONE_WITHIN_S) == []
        before, done = done, finished(lake)
        assert before.items() <= done.items()
    assert osteoscreen("screen", night.archive, "--lake", lake, cwd=tmp_path).status == night.answer.status
    for name in KEYS:
        assert rows(lake, name) == rows(night.lake, name), name


@pytest.mark.parametrize(
    ("number", "to_group", "status"),
    [
        pytest.param(signal.SIGINT, True, 3, id="Ctrl-C in a terminal"),
        pytest.param(signal.SIGTERM, False, 3, id="a service manager's stop"),
        pytest.param(signal.SIGKILL, False, -9, id="the out-of-memory killer", marks=pytest.mark.slow),
    ],
)
def test_a_night_that_is_stopped_leaves_nothing_running(
    number: signal.Signals, to_group: bool, status: int, night: FinishedNight, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    stopped = start("screen", night.archive, "--lake", lake, cwd=tmp_path)
    wait_for(lake / "identities" / "journal.jsonl", 3 * night.seconds)
    stopped.send(number, to_group=to_group)
    _, err = stopped.process.communicate(timeout=STOPPED_WITHIN_S)
    assert stopped.wait_until_gone(GONE_WITHIN_S) == []
    assert stopped.process.returncode == status, err
    if status == 3:
        assert err.splitlines()[-1].startswith("Interrupted. ")
        assert "Traceback" not in err
        (run,) = table(lake, "runs").to_pylist()
        assert (run["status"], run["problem"]) == ("failed", "interrupted")


def wait_for(path: Path, within_s: float) -> None:
    """Until a file is there: the first study has ended."""
    deadline_s = time.monotonic() + within_s
    while not path.exists():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
