"""An archive on a shelf: a `Peer` that answers from memory, and writes down what it was asked.

For what follows from answers; how they come over a network is tested against real servers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from tasks.archive.peer import ListedSeries, ListedStudy
from tasks.archive.scan import study_day
from tasks.dicom.instance import Identity, Instance
from tasks.dicom.source import InstanceSource, LocalFiles
from tasks.outcomes import ArchiveError
from tests.builders import axial_series


@dataclass
class Shelf:
    """What the archive holds, and what it was asked.

    Attributes:
        asked: (`studies`, `series` or `headers`, study) of every question.
        silent: studies whose series are never told; `*` for every study.
        tells_counts, tells_times: whether its lists have them.
        tells_series_times: whether those of series have times.
    """

    studies: dict[str, ListedStudy] = field(default_factory=dict)
    series: dict[str, dict[str, ListedSeries]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    tells_counts: bool = True
    tells_times: bool = True
    tells_series_times: bool = True

    def put(
        self,
        study_uid: str,
        series_uid: str | None = None,
        *,
        modality: str = "CT",
        instances: int = 20,
        changed_s: float = 1000.0,
        study_date: str = "20240315",
    ) -> None:
        """Put a series on the shelf, in the place of the one of that UID."""
        series_uid = series_uid or f"{study_uid}.1"
        own = self.series.setdefault(study_uid, {})
        own[series_uid] = ListedSeries(series_uid, modality, instances, 1, "Thorax 1.0", changed_s)
        self.studies[study_uid] = ListedStudy(
            study_uid,
            study_date=study_date,
            series=len(own),
            instances=sum(item.instances or 0 for item in own.values()),
            changed_s=max(item.changed_s or 0.0 for item in own.values()),
            identity=Identity(patient_id=f"P-{study_uid}"),
            sex="F",
        )

    def take(self, study_uid: str) -> None:
        """Take a study off the shelf."""
        del self.studies[study_uid], self.series[study_uid]

    def questions(self, kind: str) -> list[str]:
        """Of which studies it was asked something; all questions are forgotten."""
        found = sorted(uid for what, uid in self.asked if what == kind)
        self.asked.clear()
        return found


SHELVES: dict[str, Shelf] = {}
"""By the names of their peers."""


@dataclass(frozen=True)
class ShelfPeer:
    """Speaks to the shelf of a name; its copies speak to the same one."""

    name: str

    @property
    def kind(self) -> str:
        return "shelf"

    @property
    def key(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]

    def studies(self, since: date | None, until: date | None) -> Iterator[ListedStudy]:
        shelf = SHELVES[self.name]
        shelf.asked.append(("studies", ""))
        for study in list(shelf.studies.values()):
            day = study_day(study.study_date)
            if (since and (day is None or day < since)) or (until and (day is None or day > until)):
                continue
            yield replace(
                study,
                series=study.series if shelf.tells_counts else None,
                instances=study.instances if shelf.tells_counts else None,
                changed_s=study.changed_s if shelf.tells_times else None,
            )

    def series(self, study_uid: str) -> tuple[ListedSeries, ...]:
        shelf = SHELVES[self.name]
        shelf.asked.append(("series", study_uid))
        if shelf.silent & {study_uid, "*"}:
            raise ArchiveError("The archive gave no answer.")
        return tuple(
            replace(
                item,
                instances=item.instances if shelf.tells_counts else None,
                changed_s=item.changed_s if shelf.tells_times and shelf.tells_series_times else None,
            )
            for item in shelf.series.get(study_uid, {}).values()
        )

    def headers(self, study: ListedStudy, series: Sequence[ListedSeries]) -> tuple[Instance, ...]:
        shelf = SHELVES[self.name]
        shelf.asked.append(("headers", study.study_uid))
        return tuple(
            header
            for item in series
            for header in axial_series(
                shelf.series[study.study_uid][item.series_uid].instances or 0,
                study_uid=study.study_uid,
                series_uid=item.series_uid,
            )
        )

    def source(self) -> InstanceSource:
        return LocalFiles()

    def close(self) -> None:
        pass
