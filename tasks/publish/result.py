"""`StudyResult`: everything that one study leaves in the lake, and the key that names the work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tasks.schema import AccessionRow, PatientRow, ScreeningRow, SeriesRow, VertebraRow


class ScreeningKey(NamedTuple):
    """One piece of work: the same key need not be done twice."""

    study_uid: str
    content_key: str
    model_version: str
    pipeline_version: str


@dataclass(frozen=True, slots=True)
class StudyResult:
    """The rows of one study, however it ended.

    Raises:
        ValueError: when a vertebra or a series belongs to other work than the screening.
    """

    screening: ScreeningRow
    vertebrae: tuple[VertebraRow, ...] = ()
    series: tuple[SeriesRow, ...] = ()
    patient: PatientRow | None = None
    accession: AccessionRow | None = None

    def __post_init__(self) -> None:
        if any(key_of(vertebra) != self.key for vertebra in self.vertebrae):
            raise ValueError("a vertebra belongs to other work than the screening")
        if any(series.study_uid != self.screening.study_uid for series in self.series):
            raise ValueError("a series belongs to another study than the screening")

    @property
    def key(self) -> ScreeningKey:
        """What names this piece of work."""
        return key_of(self.screening)


def key_of(row: ScreeningRow | VertebraRow) -> ScreeningKey:
    """The work that a row belongs to."""
    return ScreeningKey(row.study_uid, row.content_key, row.model_version, row.pipeline_version)
