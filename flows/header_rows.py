"""What headers alone tell of a study: the rows of its series, its patient and its accession, and when it was.

Headers are hostile: what cannot stand in its column is left out, so that no header ends the night.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from flows.findings import Findings, Work
from tasks.dicom.dates import calendar_day
from tasks.dicom.instance import Instance, Series, Study
from tasks.schema import TABLES, AccessionRow, PatientRow, SeriesRow
from tasks.select.age import age_years
from tasks.select.checks import SHOWN_TERMS


def first_header(study: Study) -> Instance | None:
    """A header of the study, for what all its images share; None when every one of them is damaged.

    One that was read goes before what the list of an archive told.
    """
    headers = [instance for series in study.series for instance in series.instances]
    return next((header for header in headers if header.sop_instance_uid), headers[0] if headers else None)


def header_columns(header: Instance | None) -> dict[str, Any]:
    """What the header says, null where it says nothing."""
    if header is None:
        return {}
    return {
        "study_date": calendar_day(header.study_date),
        "age_years": age_years(header.age_text, header.identity.birth_date, header.study_date),
        "sex": header.sex if header.sex in ("F", "M", "O") else None,
        "manufacturer": header.manufacturer or None,
        "scanner_model": header.scanner_model or None,
        "site": header.site or None,
    }


def series_rows(run_id: str, work: Work, findings: Findings) -> tuple[SeriesRow, ...]:
    """One row per series that has a header, with what the rules said of it."""
    judgements = {}
    for judgement in reversed(findings.judgements):  # of the parts of a series the best one counts
        judgements[judgement.series_uid] = judgement
    chosen = findings.selected.series_uid if findings.selected else None
    rows = []
    for series in work.study.series:
        if not series.series_uid:
            continue
        header = series.instances[0]
        judged = judgements.get(series.series_uid)
        rows.append(
            SeriesRow(
                run_id=run_id,
                study_uid=work.study.study_uid,
                series_uid=series.series_uid,
                content_key=work.key.content_key,
                instances=len(series.instances),
                slice_spacing_mm=(judged.spacing_mm or None) if judged else None,
                **fitting("series", _series_header_columns(series, header)),
                chosen=series.series_uid == chosen,
                reason=judged.reason if judged else None,
                detail=(judged.detail or None) if judged else None,
            )
        )
    return tuple(rows)


def _series_header_columns(series: Series, header: Instance) -> dict[str, Any]:
    return {
        "study_date": calendar_day(header.study_date),
        "modality": header.modality if header.modality in SHOWN_TERMS else None,
        "series_number": header.series_number,
        "slice_thickness_mm": header.slice_thickness_mm,
        "kvp": header.kvp,
        "kernel": header.kernel or None,
        "transfer_syntax_uid": _most_common([item.transfer_syntax_uid for item in series.instances]),
    }


def patient_row(patient_key: str, header: Instance | None) -> PatientRow | None:
    """Who the patient is; None when no header says so."""
    if header is None:
        return None
    identity = header.identity
    columns = {
        "patient_id": identity.patient_id or None,
        "issuer": identity.issuer or None,
        "name": identity.name or None,
        "birth_date": identity.birth_date or None,
    }
    return PatientRow(patient_key=patient_key, **fitting("patients", columns))


def accession_row(work: Work, header: Instance | None) -> AccessionRow | None:
    """Under which number the hospital knows the study; None when no header could be read."""
    if header is None:
        return None
    columns = {"accession_number": header.identity.accession_number or None}
    return AccessionRow(
        study_uid=work.study.study_uid, patient_key=work.patient_key, **fitting("accessions", columns)
    )


def fitting(table: str, values: dict[str, Any]) -> dict[str, Any]:
    """What a header claims, without what cannot be (a negative tube voltage) and would stop the night."""
    return TABLES[table].fitting(values)


def _most_common(values: Sequence[str]) -> str | None:
    return Counter(values).most_common(1)[0][0] or None if values else None
