"""Keeps one Triton server alive while its owner lives, and ends it when the owner ends, however that ends.

Run as a program of its own, with nothing but the standard library, so that it starts at once and a `kill -9`
of the night leaves somebody to clean up. The kernel's own means (PR_SET_PDEATHSIG) would not do alone: it
fires when the *thread* that started the server ends, and flows start servers from threads. Here one thread
does all.

    python -I -S watchdog.py OWNER_PID SHARED_MEMORY_PREFIX WORKSPACE COMMAND...

SIGUSR1: the server has become ready; from now on a crash is mended by a restart on the same ports.
SIGTERM: end the server, then leave.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

RESTARTS = 3
"""A server that crashes more often than this in one night has a cause that another start does not mend."""
GRACE_S = 8.0
"""Time to finish requests and stop before SIGKILL."""
POLL_S = 0.2
_PR_SET_PDEATHSIG = 1


class Watchdog:
    """One server process and what must happen to it."""

    def __init__(self, owner_pid: int, shared_memory: str, command: list[str]) -> None:
        self._owner_pid = owner_pid
        self._shared_memory = shared_memory
        self._command = command
        self._ready = False
        self._stopping = False
        signal.signal(signal.SIGUSR1, self._on_ready)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def run(self) -> int:
        """Serve until told to stop, until the owner is gone, or until restarts are used up; the exit
        status."""
        status = 0
        for _ in range(1 + RESTARTS):
            server = subprocess.Popen(self._command, process_group=0, preexec_fn=die_with_parent)
            while server.poll() is None and self._wanted:
                time.sleep(POLL_S)
            status = self._end(server)
            if not (self._wanted and self._ready):
                break
            sys.stderr.write(f"watchdog: the server ended with status {status}; starting it again\n")
        return status

    @property
    def _wanted(self) -> bool:
        return not self._stopping and os.getppid() == self._owner_pid

    def _end(self, server: subprocess.Popen[bytes]) -> int:
        """Stop the server if it runs, then whatever of its process group and shared memory is left."""
        if server.poll() is None:
            server.send_signal(signal.SIGTERM if self._stopping else signal.SIGKILL)
            try:
                server.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                server.kill()
        status = server.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        for path in Path("/dev/shm").glob(f"{self._shared_memory}*"):  # noqa: S108 - POSIX shared memory
            path.unlink(missing_ok=True)
        return status

    def _on_ready(self, _signal: int, _frame: FrameType | None) -> None:
        self._ready = True

    def _on_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Run the watchdog with the arguments that the module's docstring names."""
    owner_pid, shared_memory, workspace, *command = arguments
    try:
        return Watchdog(int(owner_pid), shared_memory, command).run()
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
