"""`Scan`: what an archive holds, as a short list of studies, each of which can be had in full."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from tasks.dicom.dates import calendar_day
from tasks.dicom.instance import Study

Progress = Callable[[int, int], None]
"""Called with (done, to do) while new files are read, or studies asked about."""

CONTENT_KEY_DIGITS = 32
"""128 bits: no two contents of one archive will ever share a key."""

study_day = calendar_day
"""The day of a StudyDate, by which a window chooses."""


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


EVERYTHING = Window()
"""No date, and no waiting for quiet."""


@dataclass(frozen=True, slots=True)
class Outline:
    """One study as an archive tells it without being asked about it: enough to count.

    Attributes:
        content_key: as `Study.content_key`; None where only its series would tell.
    """

    study_uid: str
    study_date: date | None
    content_key: str | None


@dataclass(frozen=True, slots=True)
class StudySummary:
    """One study, in a line.

    Attributes:
        content_key: as `Study.content_key`.
        study_date: None when no header has a usable one.
        instances: images, each SOPInstanceUID once, those with unreadable headers among them.
        unreadable: images whose headers could not be read to their end.
        newest_s: when its content last changed, as far as is known, seconds since the epoch.
    """

    study_uid: str
    content_key: str
    study_date: date | None
    series: int
    instances: int
    unreadable: int
    newest_s: float


@dataclass(frozen=True, slots=True)
class Counts:
    """What a scan came across; the files are those of a folder.

    Attributes:
        files: regular files in the tree.
        read: new or changed files, whose headers were read in this scan.
        vanished: files that were remembered and are gone.
        duplicates: files whose SOPInstanceUID another file of the study has as well.
        unreadable: files that are damaged, or that may not be read.
        denied: directories and entries that could not be looked at.
        passed: files that are no images, by kind (`not_dicom`, `dicomdir`, `sr`, ...).
        asked: studies of a network archive that were new or changed, so that it was asked for their series.
    """

    files: int = 0
    read: int = 0
    vanished: int = 0
    duplicates: int = 0
    unreadable: int = 0
    denied: int = 0
    passed: Mapping[str, int] = field(default_factory=dict)
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """What an archive held.

    Attributes:
        studies: those to be looked at, by date and UID.
        arriving: studies that were left for a later night because they changed too short a time ago.
        outside: studies left out by date.
        undated: studies left out because a date was asked for and they have none.
        held: every study that the archive listed, those of the other groups among them.
        settled_s: when the last of those arriving will have been quiet for long enough, seconds since the
            epoch; None when none is arriving.
    """

    studies: tuple[StudySummary, ...]
    arriving: tuple[StudySummary, ...]
    outside: int
    undated: int
    held: frozenset[str]
    settled_s: float | None
    window: Window
    counts: Counts
    _full: Callable[[str], Study]

    @classmethod
    def of(
        cls, found: Iterable[StudySummary], window: Window, counts: Counts, full: Callable[[str], Study]
    ) -> Scan:
        """Sort what was found by what the window asks for.

        Args:
            found: every study of the archive, each once.
            full: what `study` answers with.
        """
        settle_s = window.settle_minutes * 60
        now_s = time.time()
        studies: list[StudySummary] = []
        arriving: list[StudySummary] = []
        held: set[str] = set()
        outside = undated = 0
        for summary in found:
            held.add(summary.study_uid)
            if window.is_dated() and summary.study_date is None:
                undated += 1
            elif summary.study_date is not None and not window.holds(summary.study_date):
                outside += 1
            elif settle_s > 0 and summary.newest_s > now_s - settle_s:
                arriving.append(summary)
            else:
                studies.append(summary)
        return cls(
            studies=tuple(sorted(studies, key=_by_date)),
            arriving=tuple(sorted(arriving, key=_by_date)),
            outside=outside,
            undated=undated,
            held=frozenset(held),
            settled_s=max((summary.newest_s + settle_s for summary in arriving), default=None),
            window=window,
            counts=counts,
            _full=full,
        )

    def outline(self) -> tuple[Outline, ...]:
        """The studies, in short."""
        return tuple(Outline(item.study_uid, item.study_date, item.content_key) for item in self.studies)

    def study(self, study_uid: str) -> Study:
        """A study as it was found: with every header from a folder, as listed from a network archive.

        Raises:
            KeyError: when the archive holds no such study.
        """
        return self._full(study_uid)


def _by_date(summary: StudySummary) -> tuple[date, str]:
    return summary.study_date or date.min, summary.study_uid
