"""`Batch`: the rows of many finished studies as checked Arrow tables, each row with its month."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from tasks.publish.months import month_of
from tasks.publish.result import StudyResult
from tasks.schema import SCREENING_KEY, conform


@dataclass(frozen=True, slots=True)
class Batch:
    """What one publication writes; `…_months` names the partition of each row."""

    screenings: pa.Table
    screening_months: list[str]
    vertebrae: pa.Table
    vertebrae_months: list[str]
    series: pa.Table
    series_months: list[str]
    patients: pa.Table
    accessions: pa.Table

    @property
    def keys(self) -> pa.Table:
        """The work that is published: columns of SCREENING_KEY, one row for each screening."""
        return self.screenings.select(list(SCREENING_KEY))


def gather(results: Iterable[StudyResult]) -> Batch:
    """Rows of every table; where a key comes twice the last result counts, else the newest.

    Raises:
        SchemaError: naming every mismatch of the first table that has one.
    """
    unique = {result.key: result for result in results}.values()
    done = sorted(unique, key=lambda result: result.screening.screened_at)
    newest = {result.screening.study_uid: result for result in done}.values()
    patients = {result.patient.patient_key: result.patient for result in done if result.patient}
    accessions = [result.accession for result in newest if result.accession]
    return Batch(
        screenings=conform("screenings", [result.screening for result in done]),
        screening_months=[_month(result) for result in done],
        vertebrae=conform("vertebrae", [row for result in done for row in result.vertebrae]),
        vertebrae_months=[_month(result) for result in done for _ in result.vertebrae],
        series=conform("series", [row for result in newest for row in result.series]),
        series_months=[_month(result) for result in newest for _ in result.series],
        patients=conform("patients", list(patients.values())),
        accessions=conform("accessions", accessions),
    )


def _month(result: StudyResult) -> str:
    return month_of(result.screening.study_date)
