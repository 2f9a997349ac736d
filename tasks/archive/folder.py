"""`FolderArchive`: a folder of DICOM files, in any nesting, with any names, with other files among them.

A scan lists the tree, compares it with what is remembered, and reads the headers of what is new or changed
and of nothing else. Instances are grouped by the UIDs that they name, never by where they lie.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.archive.grouping import arrange, kept, study_of, summarise
from tasks.archive.memory import Memory, archive_key
from tasks.archive.rows import IMAGE, SCHEMA, File, instances_of, read_rows
from tasks.archive.scan import EVERYTHING, Counts, Outline, Progress, Scan, Window
from tasks.archive.walk import Listing, list_files
from tasks.dicom.header import NoImage
from tasks.dicom.instance import Study
from tasks.dicom.source import InstanceSource, LocalFiles
from tasks.outcomes import ConfigurationError

# Files that one call reads: long enough that starting it costs nothing, short enough to show progress.
CHUNK_FILES = 1000
# Below this the start of worker processes (about a second) costs more than they save.
PARALLEL_FROM_FILES = 10_000

ReadChunk = Callable[[Sequence[File]], pa.Table]
MapChunks = Callable[[ReadChunk, Iterable[Sequence[File]]], Iterable[pa.Table]]


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
    def kind(self) -> str:
        """`folder`."""
        return "folder"

    @property
    def key(self) -> str:
        """Names this archive among those that a lake remembers, without telling its path."""
        return archive_key(os.fsencode(self.root))

    def scan(
        self,
        memory: Memory | None = None,
        window: Window = EVERYTHING,
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
        summaries, ranges = summarise(rows)
        counts = _counts(rows, listing, len(new), vanished)
        return Scan.of(summaries, window, counts, Remembered(self.root, rows, ranges))

    def outline(self, memory: Memory | None = None, window: Window = EVERYTHING) -> Iterator[Outline]:
        """As `Archive.outline`: only headers tell which studies there are, so that they are read."""
        for study in self.scan(memory).outline():
            if study.study_date is None or window.holds(study.study_date):
                yield study

    def access(self) -> FolderAccess:
        """How a worker gets at its studies."""
        return FolderAccess()

    def lost(self, study_uids: Iterable[str]) -> frozenset[str]:
        """Of studies that the last scan did not list, those that are not there: all of them."""
        return frozenset(study_uids)

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


@dataclass(frozen=True, slots=True)
class Remembered:
    """Studies in full, from the rows that a scan read or remembered.

    Attributes:
        rows: of `ARRANGED`.
        ranges: of each study the first of its rows, and how many there are.
    """

    root: Path
    rows: pa.Table
    ranges: Mapping[str, tuple[int, int]]

    def __call__(self, study_uid: str) -> Study:
        """One of them; KeyError when there is no such study."""
        rows = self.rows.slice(*self.ranges[study_uid])
        content_key = rows.column("content_key")[0].as_py()
        return study_of(study_uid, content_key, instances_of(self.root, kept(rows)))


class FolderAccess:
    """How a worker gets at the studies of a folder: their headers are known, their files are at hand."""

    def headers(self, study: Study) -> Study:
        """The study itself."""
        return study

    def instances(self) -> InstanceSource:
        """The files."""
        return LocalFiles()

    def confirm(self, study: Study) -> None:
        """Nothing to ask: a file that changes meanwhile is a change for the next night."""


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
