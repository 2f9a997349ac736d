"""Study results for tests of the lake."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from tasks.publish.result import StudyResult
from tasks.schema import AccessionRow, PatientRow, SeriesRow
from tests.rows import scored, vertebra


def moment(hour: int) -> datetime:
    """Some hour after the first screening."""
    return datetime(2026, 1, 10 + hour // 24, hour % 24, tzinfo=UTC)


def result(
    study: str = "1.2.3",
    content: str = "c1",
    *,
    pipeline: str = "0.1.0",
    model: str = "1",
    hour: int = 3,
    day: date | None = date(2026, 1, 9),
    vertebrae: int = 2,
    probability: float = 0.42,
) -> StudyResult:
    """A scored study with its vertebrae, one series and a patient."""
    row = scored(
        study_uid=study,
        content_key=content,
        pipeline_version=pipeline,
        model_version=model,
        screened_at=moment(hour),
        study_date=day,
        probability=probability,
    )
    one = vertebra(study_uid=study, content_key=content, pipeline_version=pipeline, model_version=model)
    series = SeriesRow(
        run_id="run-1",
        study_uid=study,
        series_uid=f"{study}.1",
        content_key=content,
        study_date=day,
        instances=100,
        chosen=True,
    )
    return StudyResult(
        screening=row,
        vertebrae=tuple(replace(one, position=position) for position in range(vertebrae)),
        series=(series,),
        patient=PatientRow(patient_key="p1", patient_id="4711", name="Doe^Jane"),
        accession=AccessionRow(study_uid=study, patient_key="p1", accession_number="A1"),
    )
