"""The watchdog: restarts what crashed once it had been ready, ends with its owner, leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tasks.infer import watchdog
from tasks.infer.shared import FOLDER


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    numbers = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def count_starts(log: Path, then: str) -> list[str]:
    return ["sh", "-c", f"echo start >> {log}; {then}"]


def test_a_server_that_never_became_ready_is_not_started_again(tmp_path: Path) -> None:
    command = count_starts(tmp_path / "log", "exit 7")
    assert watchdog.main([str(os.getppid()), "none", str(tmp_path / "w"), *command]) == 7
    assert (tmp_path / "log").read_text().splitlines() == ["start"]


def test_a_server_that_crashes_after_it_was_ready_is_started_again_a_few_times(tmp_path: Path) -> None:
    command = count_starts(tmp_path / "log", f"kill -USR1 {os.getpid()}; sleep 0.5; exit 7")
    assert watchdog.main([str(os.getppid()), "none", str(tmp_path / "w"), *command]) == 7
    assert len((tmp_path / "log").read_text().splitlines()) == 1 + watchdog.RESTARTS


def test_told_to_stop_it_ends_the_server_and_removes_workspace_and_shared_memory(tmp_path: Path) -> None:
    workspace = tmp_path / "w"
    workspace.mkdir()
    left = FOLDER / f"osteoscreen-test-{os.getpid()}-region"
    left.touch()
    command = ["sh", "-c", f"(sleep 0.3; kill {os.getpid()}) & exec sleep 60"]
    began = time.monotonic()
    assert watchdog.main([str(os.getppid()), left.name, str(workspace), *command]) == -signal.SIGTERM
    assert time.monotonic() - began < 5
    assert not workspace.exists() and not left.exists()


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
