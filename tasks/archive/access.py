"""`RemoteAccess`: how a worker gets at the headers and bytes of a study in an archive over a network."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache

from tasks.archive.listing import StudyAsListed, content_key_of, may_be_measured
from tasks.archive.peer import ListedSeries, Peer
from tasks.dicom.instance import Instance, Series, Study
from tasks.dicom.source import InstanceSource
from tasks.outcomes import ArchiveError, Failed, Reason

# Archives that one worker is connected to at once: one night has one.
MAX_ARCHIVES = 4


class RemoteAccess:
    """As `tasks.archive.archive.Access`; sent to a process again, it goes on with the connection there."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def __reduce__(self) -> tuple[Callable[[bytes], RemoteAccess], tuple[bytes]]:
        """Studies come one by one, each with its own copy; the connection stays."""
        return _of_this_process, (pickle.dumps(self._peer),)

    def headers(self, study: Study) -> Study:
        """As `Access.headers`; series that are no CT stay as they were listed.

        Raises:
            TypeError: when the study is not from the scan of such an archive.
        """
        as_listed = _as_listed(study)
        wanted = tuple(filter(may_be_measured, as_listed.listed))
        if not as_listed.listed:
            raise Failed(Reason.ARCHIVE_UNAVAILABLE, "the archive gave no list of its series")
        if not wanted:
            return study
        with _Answering():
            found = _by_series(self._peer.headers(as_listed.listing, wanted))
        _check_counts(wanted, found)
        return replace(
            as_listed,
            series=tuple(
                Series(series.series_uid, found.get(series.series_uid, series.instances))
                for series in study.series
            ),
        )

    def instances(self) -> InstanceSource:
        """As `Access.instances`."""
        return self._peer.source()

    def confirm(self, study: Study) -> None:
        """As `Access.confirm`."""
        as_listed = _as_listed(study)
        with _Answering():
            now = self._peer.series(study.study_uid)
        if content_key_of(now) != content_key_of(as_listed.listed):
            before, after = _images(as_listed.listed), _images(now)
            raise Failed(
                Reason.ARCHIVE_UNAVAILABLE,
                f"the study changed while it was read: {before} images listed before, {after} after",
            )


@lru_cache(maxsize=MAX_ARCHIVES)
def _of_this_process(pickled: bytes) -> RemoteAccess:
    return RemoteAccess(pickle.loads(pickled))  # noqa: S301 - written by `__reduce__` alone


class _Answering:
    """Turns an archive that does not answer into the end of a study."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ArchiveError):
            raise Failed(Reason.ARCHIVE_UNAVAILABLE, str(error)) from None


def _as_listed(study: Study) -> StudyAsListed:
    if not isinstance(study, StudyAsListed):
        raise TypeError("a study of an archive over a network comes from its scan")
    return study


def _by_series(headers: Iterable[Instance]) -> dict[str, tuple[Instance, ...]]:
    """Headers by series, each image once."""
    found: dict[str, dict[str, Instance]] = defaultdict(dict)
    for header in headers:
        found[header.series_uid][header.sop_instance_uid] = header
    return {series_uid: tuple(images.values()) for series_uid, images in found.items()}


def _check_counts(listed: Iterable[ListedSeries], found: dict[str, tuple[Instance, ...]]) -> None:
    """A study of which more or less is there than was listed is not one to measure in part."""
    for series in listed:
        images, expected = len(found.get(series.series_uid, ())), series.instances
        if images != expected and (expected is not None or not images):
            raise Failed(
                Reason.ARCHIVE_UNAVAILABLE,
                "the study changed since it was listed: "
                f"a series has {images} images, listed were {'some' if expected is None else expected}",
            )


def _images(listed: Iterable[ListedSeries]) -> int:
    return sum(series.instances or 0 for series in listed if may_be_measured(series))
