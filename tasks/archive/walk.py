"""The files of a tree, by their names, sizes and times alone: nothing is opened."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Listing:
    """Regular files below a root, as three columns of equal length.

    Attributes:
        paths: relative to the root, in the file system's own bytes.
        sizes: bytes.
        times: modification times in nanoseconds since the epoch.
        denied: directories and entries that could not be looked at.
    """

    paths: list[bytes] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    denied: int = 0


def list_files(root: Path) -> Listing:
    """Every regular file below `root`; links are followed, each directory is entered once."""
    listing = Listing()
    start = os.fsencode(root)
    prefix = len(start.rstrip(b"/")) + 1
    entered: set[tuple[int, int]] = set()
    waiting = [start]
    while waiting:
        folder = waiting.pop()
        try:
            about = os.stat(folder)  # noqa: PTH116 - paths are bytes here
            if (about.st_dev, about.st_ino) in entered:
                continue
            entered.add((about.st_dev, about.st_ino))
            with os.scandir(folder) as entries:
                for entry in entries:
                    _look_at(entry, prefix, waiting, listing)
        except OSError:
            listing.denied += 1
    return listing


def _look_at(entry: os.DirEntry[bytes], prefix: int, waiting: list[bytes], listing: Listing) -> None:
    try:
        if entry.is_dir():
            waiting.append(entry.path)
            return
        about = entry.stat()
    except FileNotFoundError:  # it went away, or it is a link to nothing
        return
    except OSError:
        listing.denied += 1
        return
    if stat.S_ISREG(about.st_mode):
        listing.paths.append(entry.path[prefix:])
        listing.sizes.append(about.st_size)
        listing.times.append(about.st_mtime_ns)
