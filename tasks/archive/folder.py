"""`FolderArchive`: a folder of DICOM files, in any nesting, with any names, with other files among them.

A scan lists the tree, compares it with what is remembered, and reads the headers of what is new or changed
and of nothing else. Instances are grouped by the UIDs that they name, never by where they lie.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import date
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.archive.memory import Memory
from tasks.archive.rows import IMAGE, SCHEMA, File, read_rows
from tasks.archive.scan import Counts, Scan, StudySummary, arrange, summarise
from tasks.archive.walk import Listing, list_files
from tasks.dicom.header import NoImage
from tasks.outcomes import ConfigurationError

# Files that one call reads: long enough that starting it costs nothing, short enough to show progress.
CHUNK_FILES = 1000
# Below this the start of worker processes (about a second) costs more than they save.
PARALLEL_FROM_FILES = 10_000

ReadChunk = Callable[[Sequence[File]], pa.Table]
MapChunks = Callable[[ReadChunk, Iterable[Sequence[File]]], Iterable[pa.Table]]
Progress = Callable[[int, int], None]
"""Called with (files read, files to read)."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which studies a scan is asked for: days, both included, and how long a study must have been quiet."""

    since: date | None = None
    until: date | None = None
    settle_minutes: float = 0.0

    def is_dated(self) -> bool:
        """Whether a date is asked for at all."""
        return self.since is not None or self.until is not None

    def holds(self, day: date) -> bool:
        """Whether a day lies in the window."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


class FolderArchive:
    """An archive that is a folder.

    Args:
        root: the folder.

    Raises:
        ConfigurationError: when there is no such folder, or it may not be opened.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir() or not os.access(root, os.R_OK | os.X_OK):
            raise ConfigurationError(
                "The archive is not a folder that can be opened: give the path of an existing folder "
                "of DICOM files."
            )
        self.root = root.resolve()

    @property
    def key(self) -> str:
        """Names this archive among those that a lake remembers, without telling its path."""
        return hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]

    def scan(
        self,
        memory: Memory | None = None,
        window: Window = Window(),
        *,
        map_chunks: MapChunks | None = None,
        progress: Progress | None = None,
    ) -> Scan:
        """What the folder holds now.

        Args:
            memory: where the last scan is remembered and this one will be; None reads everything.
            window: which studies are asked for.
            map_chunks: applies a function to chunks of files, in order; default: in this process, or in one
                process per core where many files are new.
            progress: told how far reading is.
        """
        listing = list_files(self.root)
        known = memory.recall(self.key, ARRANGED) if memory else None
        if known is None:
            known = ARRANGED.empty_table()
        unchanged, new = _compare(listing, known)
        if not new and len(unchanged) == len(known):
            rows = known
        else:
            tables = self._read(new, map_chunks, progress)
            rows = arrange(pa.concat_tables([known.take(unchanged).select(SCHEMA.names), *tables]))
            rows = rows.cast(ARRANGED)
            if memory:
                memory.keep(self.key, rows)
        vanished = len(known) - len(unchanged) - _changed(new, known)
        return self._scan(rows, window, _counts(rows, listing, len(new), vanished))

    def _read(
        self, files: Sequence[File], map_chunks: MapChunks | None, progress: Progress | None
    ) -> Iterator[pa.Table]:
        chunks = [files[at : at + CHUNK_FILES] for at in range(0, len(files), CHUNK_FILES)]
        if map_chunks is None:
            map_chunks = _in_processes if len(files) >= PARALLEL_FROM_FILES else map
        done = 0
        for chunk, table in zip(chunks, map_chunks(partial(read_rows, self.root), chunks), strict=True):
            done += len(chunk)
            if progress:
                progress(done, len(files))
            yield table

    def _scan(self, rows: pa.Table, window: Window, counts: Counts) -> Scan:
        summaries, ranges = summarise(rows)
        settled_s = time.time() - window.settle_minutes * 60
        studies: list[StudySummary] = []
        arriving: list[StudySummary] = []
        outside = undated = 0
        for summary in summaries:
            if window.is_dated() and summary.study_date is None:
                undated += 1
            elif summary.study_date is not None and not window.holds(summary.study_date):
                outside += 1
            elif window.settle_minutes > 0 and summary.newest_s > settled_s:
                arriving.append(summary)
            else:
                studies.append(summary)
        return Scan(
            studies=tuple(sorted(studies, key=_by_date)),
            arriving=tuple(sorted(arriving, key=_by_date)),
            outside=outside,
            undated=undated,
            counts=counts,
            _root=self.root,
            _rows=rows,
            _ranges=ranges,
        )


ARRANGED = SCHEMA.append(pa.field("kept", pa.bool_())).append(pa.field("content_key", pa.string()))
"""What is remembered: the rows, in the order of their studies."""


def _compare(listing: Listing, known: pa.Table) -> tuple[pa.Array, list[File]]:
    """(rows of `known` that still hold, files that must be read).

    A file that could not be read is tried again: it may have been a matter of permission.
    """
    paths = pa.array(listing.paths, pa.binary())
    sizes, times = np.array(listing.sizes, np.int64), np.array(listing.times, np.int64)
    at = pc.index_in(paths, value_set=known.column("path").combine_chunks())
    found = at.is_valid().to_numpy(zero_copy_only=False)
    row = at.fill_null(0).to_numpy().astype(np.int64)
    same = found.copy()
    if len(known):
        readable = pc.not_equal(known.column("kind"), NoImage.UNREADABLE.value).to_numpy()
        same &= known.column("size_bytes").to_numpy()[row] == sizes
        same &= known.column("mtime_ns").to_numpy()[row] == times
        same &= readable[row]
    new = [(listing.paths[n], listing.sizes[n], listing.times[n]) for n in np.flatnonzero(~same).tolist()]
    return pa.array(np.sort(row[same])), new


def _changed(new: Sequence[File], known: pa.Table) -> int:
    """How many of the files to be read were known before."""
    paths = pa.array([path for path, _, _ in new], pa.binary())
    return int(pc.sum(pc.is_in(paths, value_set=known.column("path").combine_chunks())).as_py() or 0)


def _counts(rows: pa.Table, listing: Listing, read: int, vanished: int) -> Counts:
    kinds = {entry["values"]: entry["counts"] for entry in pc.value_counts(rows.column("kind")).to_pylist()}
    damaged = pc.sum(pc.not_equal(rows.column("problem"), "")).as_py() or 0
    copies = pc.sum(pc.invert(rows.column("kept"))).as_py() or 0
    unreadable = kinds.pop(NoImage.UNREADABLE.value, 0) + damaged
    kinds.pop(IMAGE, None)
    return Counts(
        files=len(listing.paths),
        read=read,
        vanished=vanished,
        duplicates=copies,
        unreadable=unreadable,
        denied=listing.denied,
        passed=kinds,
    )


def _in_processes(read: ReadChunk, chunks: Iterable[Sequence[File]]) -> Iterator[pa.Table]:
    """One process per core; where processes cannot be started, or die, the rest is read in this one."""
    waiting = list(chunks)
    try:
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            for table in pool.map(read, tuple(waiting)):
                waiting.pop(0)
                yield table
    except BrokenProcessPool:
        yield from map(read, waiting)


def _by_date(summary: StudySummary) -> tuple[date, str]:
    return summary.study_date or date.min, summary.study_uid
