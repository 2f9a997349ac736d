"""One writer at a time: the lake's lock, which the kernel gives back however its holder dies.

A writer that gives way (a backfill) looks now and then whether another one waits, and lets go. Who waits is
told by a second lock beside the first, so that one that is killed while it waits leaves nothing either.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tasks.outcomes import OsteoscreenError

_POLL_S = 0.5
_GIVES_WAY = "gives way to a night"
_JUST_BEGUN = "a run that has just begun"


class LakeBusyError(OsteoscreenError):
    """Another run is writing to the lake."""


@contextmanager
def exclusive(path: Path, who: str, *, gives_way: bool = False, patience_s: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path`, with a line in it that says who holds it since when.

    `flock` belongs to the open file, so a holder that is killed leaves nothing to clean up. On NFS it works
    from Linux 2.6.12 on, between machines too, when the server supports locks.

    Args:
        path: the lock file; made when there is none.
        who: what to tell another writer.
        gives_way: promises to ask `is_wanted` every few seconds, and to let go when it says so.
        patience_s: how long to wait for a holder that gives way; no other is waited for.

    Raises:
        LakeBusyError: when another process holds it, naming that holder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as lock:
        other = _try(lock.fileno(), path)
        if other is not None and _is_worth_waiting(other) and patience_s > 0:
            other = _wait(lock.fileno(), path, patience_s)
        if other is not None:
            raise LakeBusyError(
                f"The lake {path.parent} is being written by {other}. Wait until it has ended, or stop it."
            )
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        kind = f", {_GIVES_WAY}" if gives_way else ""
        lock.truncate(0)
        lock.write(f"{who} on {socket.gethostname()}, process {os.getpid()}, since {since}{kind}\n")
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def is_wanted(path: Path) -> bool:
    """Whether someone waits for the lock file `path`."""
    try:
        with _mark(path).open("rb") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def holder(path: Path) -> str | None:
    """Who holds the lock file `path`; None when nobody does."""
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _line(path)
    return None


def _try(lock: int, path: Path) -> str | None:
    """Take the lock; who holds it when it cannot be taken."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _line(path)
    return None


def _wait(lock: int, path: Path, patience_s: float) -> str | None:
    """Show that the lock is wanted, and try until it is had or patience ends."""
    deadline_s = time.monotonic() + patience_s
    with _mark(path).open("a") as mark:
        # shared: several nights may wait, and none for another's mark
        fcntl.flock(mark, fcntl.LOCK_SH)
        while (other := _try(lock, path)) is not None and _is_worth_waiting(other):
            if time.monotonic() > deadline_s:
                break
            time.sleep(_POLL_S)
    return other


def _is_worth_waiting(line: str) -> bool:
    return line.endswith(_GIVES_WAY) or line == _JUST_BEGUN


def _line(path: Path) -> str:
    with path.open(encoding="utf-8") as lock:
        return lock.read(500).strip() or _JUST_BEGUN


def _mark(path: Path) -> Path:
    return path.with_suffix(".wanted")
