"""What an entry of an archive's list tells of a study or a series, by DICOMweb and by DIMSE alike."""

from __future__ import annotations

from datetime import date

from tasks.archive.peer import ListedSeries, ListedStudy
from tasks.dicom import fields as f
from tasks.dicom.fields import Fields
from tasks.dicom.instance import Identity

# PS3.6, beyond those that headers have: numbers of series and instances that a study has, and a series.
SERIES_OF_STUDY = 0x00201206
INSTANCES_OF_STUDY = 0x00201208
INSTANCES_OF_SERIES = 0x00201209

STUDY_FIELDS = (
    f.STUDY_UID,
    f.STUDY_DATE,
    f.STUDY_DESCRIPTION,
    f.ACCESSION_NUMBER,
    f.PATIENT_NAME,
    f.PATIENT_ID,
    f.ISSUER_OF_PATIENT_ID,
    f.BIRTH_DATE,
    f.SEX,
    SERIES_OF_STUDY,
    INSTANCES_OF_STUDY,
)
"""Tags that are asked for of each study."""
SERIES_FIELDS = (f.SERIES_UID, f.MODALITY, f.SERIES_NUMBER, f.SERIES_DESCRIPTION, INSTANCES_OF_SERIES)
"""Tags that are asked for of each series."""


def study_of(fields: Fields, changed_s: float | None = None) -> ListedStudy:
    """The study of an entry.

    Args:
        changed_s: as `ListedStudy.changed_s`.
    """
    return ListedStudy(
        study_uid=fields.uid(f.STUDY_UID),
        study_date=fields.ascii(f.STUDY_DATE),
        series=fields.integer(SERIES_OF_STUDY),
        instances=fields.integer(INSTANCES_OF_STUDY),
        changed_s=changed_s,
        description=fields.text(f.STUDY_DESCRIPTION),
        identity=Identity(
            patient_id=fields.text(f.PATIENT_ID),
            issuer=fields.text(f.ISSUER_OF_PATIENT_ID),
            name=fields.text(f.PATIENT_NAME),
            birth_date=fields.ascii(f.BIRTH_DATE),
            accession_number=fields.text(f.ACCESSION_NUMBER),
        ),
        sex=fields.ascii(f.SEX),
    )


def series_of(fields: Fields) -> ListedSeries:
    """The series of an entry."""
    return ListedSeries(
        series_uid=fields.uid(f.SERIES_UID),
        modality=fields.ascii(f.MODALITY).upper(),
        instances=fields.integer(INSTANCES_OF_SERIES),
        series_number=fields.integer(f.SERIES_NUMBER),
        description=fields.text(f.SERIES_DESCRIPTION),
    )


def day_range(since: date | None, until: date | None) -> str:
    """Range matching of dates (PS3.4, C.2.2.2.5), both included; empty, which matches all, without days."""
    if since is None and until is None:
        return ""
    return "-".join(f"{day:%Y%m%d}" if day else "" for day in (since, until))
