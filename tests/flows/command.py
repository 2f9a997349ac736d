"""The `osteoscreen` command as a user starts it, in a process group that can be killed whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.dataset as ds

COMMAND = Path(sys.executable).parent / "osteoscreen"
# What a night starts inherits it, and can so be told from all else on the machine; all but Triton, whose
# environment is its own.
MARK = "NIGHT_OF_A_TEST"
# One secret for all lakes, so that patients' keys can be compared between them.
SECRET = "secret-of-the-tests"  # noqa: S105 - of no one
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Answer:
    """What a finished command said."""

    status: int
    out: str
    err: str


@dataclass
class Running:
    """A command under way."""

    process: subprocess.Popen[str]
    mark: str
    _descendants: set[psutil.Process] = field(default_factory=set)

    def kill(self) -> None:
        """SIGKILL to the whole process group, as a machine's out-of-memory killer or a user would."""
        self.send(signal.SIGKILL, to_group=True)
        self.process.communicate()

    def send(self, number: signal.Signals, *, to_group: bool = False) -> None:
        """A signal to the command alone, as a service manager does, or to its group, as a terminal does."""
        with suppress(psutil.Error):
            self._descendants.update(psutil.Process(self.process.pid).children(recursive=True))
        if to_group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def survivors(self) -> list[str]:
        """Names of the processes of this command that are alive."""
        marked = {process for process in psutil.process_iter() if _has_mark(process, self.mark)}
        return [process.name() for process in marked | {one for one in self._descendants if _is_alive(one)}]

    def wait_until_gone(self, within_s: float) -> list[str]:
        """Who is still alive after so long; returns as soon as nobody is."""
        deadline_s = time.monotonic() + within_s
        while (alive := self.survivors()) and time.monotonic() < deadline_s:
            time.sleep(0.2)
        return alive


def start(*arguments: str | Path, cwd: Path, **settings: str) -> Running:
    """Start the command; `settings` are environment variables without their OSTEOSCREEN_."""
    mark = uuid.uuid4().hex
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OSTEOSCREEN_", "PREFECT_"))
    }
    environment |= {f"OSTEOSCREEN_{name}": value for name, value in settings.items()}
    environment |= {MARK: mark, "OSTEOSCREEN_PATIENT_KEY_SECRET": SECRET, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return Running(process, mark)


def osteoscreen(*arguments: str | Path, cwd: Path, **settings: str) -> Answer:
    """Run the command to its end."""
    running = start(*arguments, cwd=cwd, **settings)
    try:
        out, err = running.process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        running.kill()
        raise
    return Answer(running.process.returncode, out, err)


def table(lake: Path, name: str) -> pa.Table:
    """A table of the lake as any Parquet reader has it."""
    files = [str(path) for path in sorted((lake / name).rglob("*.parquet"))]
    found: pa.Table = ds.dataset(files, format="parquet").to_table()
    return found


def _has_mark(process: psutil.Process, mark: str) -> bool:
    with suppress(psutil.Error):
        return _is_alive(process) and process.environ().get(MARK) == mark
    return False


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
