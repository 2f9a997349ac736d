"""One writer at a time: the lake's lock, which the kernel gives back however its holder dies."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tasks.outcomes import OsteoscreenError


class LakeBusyError(OsteoscreenError):
    """Another run is writing to the lake."""


@contextmanager
def exclusive(path: Path, who: str) -> Iterator[None]:
    """Hold the lock file `path`, with a line in it that says who holds it since when.

    `flock` belongs to the open file, so a holder that is killed leaves nothing to clean up. On NFS it works
    from Linux 2.6.12 on, between machines too, when the server supports locks.

    Raises:
        LakeBusyError: when another process holds it, naming that holder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read(500).strip() or "a run that has just begun"
            raise LakeBusyError(
                f"The lake {path.parent} is being written by {holder}. Wait until it has ended, or stop it."
            ) from None
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        lock.truncate(0)
        lock.write(f"{who} on {socket.gethostname()}, process {os.getpid()}, since {since}\n")
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)
