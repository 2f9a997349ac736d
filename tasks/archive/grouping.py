"""Rows of instances, as a folder is remembered, brought into the order of their studies.

Instances belong together by the UIDs that they name and by nothing else.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tasks.archive.rows import IMAGE
from tasks.archive.scan import CONTENT_KEY_DIGITS, StudySummary, study_day
from tasks.dicom.instance import Instance, Series, Study


def kept(rows: pa.Table) -> pa.Table:
    """Rows without further copies of an instance."""
    return rows.filter(rows.column("kept"))


def study_of(study_uid: str, content_key: str, instances: list[Instance]) -> Study:
    """Instances grouped by series; those of no known series are damaged ones, and counted alone."""
    series: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        series[instance.series_uid].append(instance)
    lost = series.pop("", [])
    readable = [instance for instance in lost if not instance.problem]
    if readable:
        series[""] = readable
    return Study(
        study_uid=study_uid,
        series=tuple(Series(uid, tuple(found)) for uid, found in sorted(series.items())),
        content_key=content_key,
        unreadable=len(lost) - len(readable),
    )


def arrange(rows: pa.Table) -> pa.Table:
    """Rows in the order of their studies, with `kept` (one row per instance) and `content_key` (per study).

    Of several files with one SOPInstanceUID the readable, then the largest, then the oldest is kept, so that
    a further copy changes nothing.
    """
    study, instance = _codes(rows, "study_uid"), _codes(rows, "sop_instance_uid")
    is_damaged = pc.not_equal(rows.column("problem"), "").to_numpy()
    size, mtime = rows.column("size_bytes").to_numpy(), rows.column("mtime_ns").to_numpy()
    path = _codes(rows, "path")
    order = np.lexsort((path, mtime, -size, is_damaged, instance, study))
    rows = rows.take(pa.array(order)).combine_chunks()
    study, instance = study[order], instance[order]
    named = pc.not_equal(rows.column("sop_instance_uid"), "").to_numpy()
    is_copy = np.zeros(len(rows), dtype=bool)
    is_copy[1:] = (study[1:] == study[:-1]) & (instance[1:] == instance[:-1]) & named[1:]
    rows = rows.append_column("kept", pa.array(~is_copy))
    return rows.append_column("content_key", pa.array(_content_keys(rows, study), pa.string()))


def _content_keys(rows: pa.Table, study: npt.NDArray[np.int64]) -> list[str]:
    """The content key of its study for every row, independent of paths and of order."""
    uids = rows.column("sop_instance_uid").to_pylist()
    tokens = rows.column("content_token").to_pylist()
    is_kept = rows.column("kept").to_pylist()
    keys: list[str] = []
    for first, last in ranges_of(study):
        content = sorted((uids[n], tokens[n]) for n in range(first, last) if is_kept[n])
        digest = hashlib.sha256("\\n".join(f"{uid} {token}" for uid, token in content).encode())
        keys += [digest.hexdigest()[:CONTENT_KEY_DIGITS]] * (last - first)
    return keys


def ranges_of(codes: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """(first, last + 1) of every run of equal codes."""
    if not len(codes):
        return []
    starts = np.flatnonzero(np.diff(codes, prepend=codes[0] - 1))
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(codes)], strict=True))


def summarise(rows: pa.Table) -> tuple[list[StudySummary], dict[str, tuple[int, int]]]:
    """(a line for every study, the rows (first, count) of each) of an arranged table."""
    codes = _codes(rows, "study_uid")
    narrow = rows.select(["study_uid", "content_key", "kind"])
    series, days = _codes(rows, "series_uid"), rows.column("study_date")
    is_kept = rows.column("kept").to_numpy()
    is_damaged = pc.not_equal(rows.column("problem"), "").to_numpy() & is_kept
    mtime = rows.column("mtime_ns").to_numpy()
    summaries, ranges = [], {}
    for first, last in ranges_of(codes):
        head = narrow.slice(first, 1).to_pylist()[0]
        if head["kind"] != IMAGE:
            continue
        ranges[head["study_uid"]] = (first, last - first)
        summaries.append(
            StudySummary(
                study_uid=head["study_uid"],
                content_key=head["content_key"],
                study_date=_first_date(days.slice(first, last - first)),
                series=len(np.unique(series[first:last])),
                instances=int(is_kept[first:last].sum()),
                unreadable=int(is_damaged[first:last].sum()),
                newest_s=float(mtime[first:last].max()) / 1e9,
            )
        )
    return summaries, ranges


def _first_date(days: pa.ChunkedArray) -> date | None:
    """The earliest usable StudyDate."""
    found = (study_day(text or "") for text in set(days.to_pylist()))
    return min((day for day in found if day is not None), default=None)


def _codes(rows: pa.Table, column: str) -> npt.NDArray[np.int64]:
    """A column as whole numbers, equal where its values are."""
    encoded = rows.column(column).combine_chunks().dictionary_encode()
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
