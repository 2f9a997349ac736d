"""The watchdog: restarts what crashed once it had been ready, ends with its owner, leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tasks.infer import shared, watchdog
from tasks.infer.shared import FOLDER


def watched(folder: Path, command: str, shared_memory: str = "none") -> subprocess.Popen[bytes]:
    """A watchdog of ours over a shell command, in a process of its own as always."""
    arguments = [str(os.getpid()), shared_memory, str(folder / "w"), "sh", "-c", command]
    return subprocess.Popen([sys.executable, "-I", "-S", watchdog.__file__, *arguments])


def test_a_server_that_never_became_ready_is_not_started_again(tmp_path: Path) -> None:
    assert watched(tmp_path, f"echo start >> {tmp_path}/log; exit 7").wait(10) == 7
    assert (tmp_path / "log").read_text().splitlines() == ["start"]


def test_a_server_that_crashes_after_it_was_ready_is_started_again_a_few_times(tmp_path: Path) -> None:
    crash = f"echo start >> {tmp_path}/log; kill -USR1 $PPID; sleep 0.5; exit 7"
    assert watched(tmp_path, crash).wait(20) == 7
    assert len((tmp_path / "log").read_text().splitlines()) == 1 + watchdog.RESTARTS


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "])
def test_told_to_stop_it_ends_the_server_and_removes_what_it_left(tmp_path: Path, stubborn: str) -> None:
    (tmp_path / "w").mkdir()
    left = FOLDER / f"{shared.PREFIX}region"
    left.touch()
    process = watched(tmp_path, f"{stubborn}echo start >> {tmp_path}/log; sleep 60", left.name)
    while not (tmp_path / "log").exists():
        time.sleep(0.05)
    process.terminate()
    assert process.wait(watchdog.GRACE_S + 5) == (-signal.SIGKILL if stubborn else -signal.SIGTERM) % 256
    assert not (tmp_path / "w").exists() and not left.exists()


def test_without_its_owner_it_ends_what_it_watches(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, subprocess, sys, time\n"
            "child = subprocess.Popen([sys.executable, '-I', '-S', sys.argv[1], str(os.getpid()), 'none',\n"
            "                          sys.argv[2], 'sleep', '600'], start_new_session=True)\n"
            "time.sleep(600)",
            watchdog.__file__,
            str(tmp_path / "w"),
        ]
    )
    sleeper = wait_for_descendant(owner.pid, "sleep")
    owner.kill()
    owner.wait()
    gone, alive = psutil.wait_procs([sleeper], timeout=10)
    assert gone and not alive


def wait_for_descendant(pid: int, name: str) -> psutil.Process:
    for _ in range(100):
        for process in psutil.Process(pid).children(recursive=True):
            if process.name() == name:
                return process
        time.sleep(0.1)
    raise AssertionError(f"no process {name} appeared")
