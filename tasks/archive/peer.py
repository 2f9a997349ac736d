"""`Peer`: an archive that is spoken to over a network, in the few questions that a night asks of it.

DICOMweb and DIMSE each answer them in their own way; what is new, what is still arriving and what is gone is
worked out from the answers in one place, `tasks.archive.remote`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from tasks.dicom.instance import Identity, Instance
from tasks.dicom.source import InstanceSource


@dataclass(frozen=True, slots=True)
class ListedStudy:
    """One study in an archive's list of studies; what the archive does not tell is None or empty.

    Attributes:
        study_date: StudyDate, as written.
        series, instances: how many the archive holds.
        changed_s: when the archive last changed it, seconds since the epoch.
    """

    study_uid: str
    study_date: str = ""
    series: int | None = None
    instances: int | None = None
    changed_s: float | None = None
    description: str = ""
    identity: Identity = field(default_factory=Identity)
    sex: str = ""


@dataclass(frozen=True, slots=True)
class ListedSeries:
    """One series in an archive's list of a study; what the archive does not tell is None or empty.

    Attributes:
        instances: how many the archive holds.
        changed_s: when the archive last changed it, seconds since the epoch.
    """

    series_uid: str
    modality: str = ""
    instances: int | None = None
    series_number: int | None = None
    description: str = ""
    changed_s: float | None = None


class Peer(Protocol):
    """An archive over a network. Can be sent to another process; connects when it is first asked.

    Every method raises `ArchiveError` when no answer came in time, however often it was tried. Its text may
    stand in the lake beside a study, so it names no address.
    """

    @property
    def kind(self) -> str:
        """`dicomweb` or `dimse`."""
        ...

    @property
    def key(self) -> str:
        """Names this archive among those that a lake remembers, without telling its address."""
        ...

    def studies(self, since: date | None, until: date | None) -> Iterator[ListedStudy]:
        """Every study of these days, both included, page by page; without days, every study."""
        ...

    def series(self, study_uid: str) -> tuple[ListedSeries, ...]:
        """The series of a study; empty when the archive has no such study (any more)."""
        ...

    def headers(self, study: ListedStudy, series: Sequence[ListedSeries]) -> tuple[Instance, ...]:
        """The headers of every instance of these series.

        Sizes and places of pixels may be missing (0 and None): `InstanceSource.open` tells them.
        """
        ...

    def source(self) -> InstanceSource:
        """Where the instances that `headers` listed are had from; one for each study."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
