"""Files that appear whole or not at all, and who may read them. Every file of the lake is written by this.

What is written is a draft beside its place until it is synced to disk and moved in, so that a reader never
meets half of it. A draft is called `.<name>.<host>.<pid>.<token>.tmp`: no reader's glob finds it, and what a
dead writer left behind is known by its process and swept away.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.outcomes import OsteoscreenError

PUBLIC_FILE = 0o644
# What tells who a patient is, or how to find it out, is for its owner only.
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
ABANDONED_AFTER_S = 24 * 3600.0  # another machine's process cannot be asked; no write takes a day
_FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFullError(OsteoscreenError):
    """There is no room for a file: nothing that needs one can go on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"The disk of {folder} is full: make room, then start the same command again.")
        self.folder = folder

    def __reduce__(self) -> tuple[type[DiskFullError], tuple[Path]]:
        """It travels from workers to the night."""
        return DiskFullError, (self.folder,)


@contextmanager
def needing_room(folder: Path) -> Iterator[None]:
    """A block that writes into `folder`.

    Raises:
        DiskFullError: in place of the system's error that there is no room.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(folder) from None
        raise


@contextmanager
def replacing(path: Path, mode: int = PUBLIC_FILE) -> Iterator[Path]:
    """A path beside `path` to write to; at the end it is synced to disk and takes `path`'s place.

    When the block raises, `path` stays as it was and what was written is removed.

    Raises:
        DiskFullError: when there is no room.
    """
    with needing_room(path.parent), _draft(path, mode) as draft:
        yield draft
        _finish(draft, mode)
        draft.replace(path)
        _sync(path.parent)


def write_whole(path: Path, content: bytes, mode: int = PUBLIC_FILE) -> None:
    """Put `content` in the place of `path`, whole or not at all."""
    with replacing(path, mode) as draft:
        draft.write_bytes(content)


def write_once(path: Path, content: bytes, mode: int = PUBLIC_FILE) -> None:
    """As `write_whole`, but what stands at `path` stays: of two processes at once, one writes for both."""
    with needing_room(path.parent), _draft(path, mode) as draft:
        draft.write_bytes(content)
        _finish(draft, mode)
        with suppress(FileExistsError):
            os.link(draft, path)
        _sync(path.parent)


def make_private_folder(path: Path) -> None:
    """Make a folder that only its owner may open, or make one that stands such a folder."""
    path.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    path.chmod(PRIVATE_FOLDER)


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


@contextmanager
def _draft(path: Path, mode: int) -> Iterator[Path]:
    """A name beside `path`, gone at the end; private content is private from its first byte."""
    path.parent.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname().replace(".", "-")
    draft = path.with_name(f".{path.name}.{host}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        if mode == PRIVATE_FILE:
            draft.touch(mode)
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _finish(draft: Path, mode: int) -> None:
    draft.chmod(mode)
    _sync(draft)


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
