"""Shared memory that outlives nobody: named after an owner whose death anybody can see, and then swept up.

Everything that this product puts into /dev/shm is called `osteoscreen-<owner>-…`. An owner holds a lock on
`osteoscreen-<owner>.lock` for as long as it lives; the kernel drops the lock with the process, `kill -9`
included. So whoever can take the lock knows that the owner is gone, and may remove what it left.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import secrets
import tempfile
from pathlib import Path
from shutil import rmtree

import numpy as np
import numpy.typing as npt

FOLDER = Path("/dev/shm")  # noqa: S108 - where Linux keeps POSIX shared memory; Triton opens names there
PREFIX = "osteoscreen-"
LOCK_SUFFIX = ".lock"


class Owner:
    """A name under which things may be left in /dev/shm and in the temporary folder.

    Attributes:
        name: `osteoscreen-<random>`, the first part of the name of all that is owned.
        lock: descriptor of the lock file; a child process that inherits it keeps the owner alive.

    Raises:
        OSError: when there is no /dev/shm, or it cannot be written.
    """

    def __init__(self) -> None:
        sweep()
        while True:
            self.name = PREFIX + secrets.token_hex(6)
            lock = _locked(FOLDER / (self.name + LOCK_SUFFIX), create=True)
            if lock is not None:
                self.lock = lock
                return

    def close(self) -> None:
        """Remove everything that is owned, then the name."""
        _remove(self.name)
        os.close(self.lock)


def sweep() -> None:
    """Remove what owners left that are no longer alive."""
    for path in FOLDER.glob(f"{PREFIX}*{LOCK_SUFFIX}"):
        lock = _locked(path, create=False)
        if lock is not None:
            _remove(path.name.removesuffix(LOCK_SUFFIX))
            os.close(lock)


class Region:
    """A block of system shared memory.

    Attributes:
        key: the name by which another process opens it (POSIX: with a leading slash).
        size: bytes.

    Raises:
        OSError: when there is no room for it; memory is claimed here, and not when it is first written.
    """

    def __init__(self, owner: Owner, label: str, size: int) -> None:
        self.key = f"/{owner.name}-{label}"
        self.size = size
        path = FOLDER / self.key[1:]
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            os.posix_fallocate(handle, 0, size)
            self._map = mmap.mmap(handle, size)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(handle)

    def as_int16(self, shape: tuple[int, ...]) -> npt.NDArray[np.int16]:
        """The whole region as one array."""
        return np.frombuffer(self._map, np.int16, count=int(np.prod(shape))).reshape(shape)


def _locked(path: Path, *, create: bool) -> int | None:
    """The descriptor of a lock file that is now held, or None when another holds it or it is gone."""
    try:
        handle = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    except FileNotFoundError:
        return None
    except PermissionError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between open and lock another process may have swept the file away: then this lock is worth nothing.
        if path.stat().st_ino == os.fstat(handle).st_ino:
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(handle)
    return None


def _remove(name: str) -> None:
    """Unlink everything of one owner, the lock last, so that what is interrupted can be done again."""
    rmtree(Path(tempfile.gettempdir()) / name, ignore_errors=True)
    for path in FOLDER.glob(f"{name}-*"):
        path.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        (FOLDER / (name + LOCK_SUFFIX)).unlink()
