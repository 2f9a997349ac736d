"""Writing a file beside its place and moving it in whole, so that a reader never meets half of one.

Unfinished files are called `.<name>.<host>.<pid>.<token>.tmp`: no reader's glob finds them, and what a dead
writer left behind is known by its process and swept away.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ABANDONED_AFTER_S = 24 * 3600.0  # another machine's process cannot be asked; no write takes a day


@contextmanager
def replacing(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """A path beside `path` to write to; at the end it is synced to disk and takes `path`'s place.

    When the block raises, `path` stays as it was and what was written is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname().replace(".", "-")
    draft = path.with_name(f".{path.name}.{host}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        yield draft
        draft.chmod(mode)
        _sync(draft)
        draft.replace(path)
        _sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Put `content` in the place of `path`, whole or not at all."""
    with replacing(path, mode) as draft:
        draft.write_bytes(content)


def sweep(root: Path) -> int:
    """Remove what dead writers left under `root`; returns how many files."""
    removed = 0
    for folder, _, names in os.walk(root):
        for name in names:
            draft = Path(folder, name)
            if _is_draft(name) and _is_abandoned(draft):
                draft.unlink(missing_ok=True)
                removed += 1
    return removed


def _is_draft(name: str) -> bool:
    return name.startswith(".") and (name.endswith((".tmp", ".tmp.wal")))


def _is_abandoned(draft: Path) -> bool:
    """Whether its writer is dead, as far as can be told from here."""
    parts = draft.name.removesuffix(".wal").rsplit(".", 4)
    if len(parts) == 5 and parts[1] == socket.gethostname().replace(".", "-") and parts[2].isdigit():
        return not _is_alive(int(parts[2]))
    try:
        return time.time() - draft.stat().st_mtime > ABANDONED_AFTER_S
    except FileNotFoundError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
