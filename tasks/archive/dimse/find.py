"""C-FIND: the queries of a night at study, series and image level, and what their answers say.

An answer is read as a header is, from its raw bytes: a value that the peer does not give, or that cannot be
read, is absent, and no other value suffers.
"""

from __future__ import annotations

import hashlib
from datetime import date

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from tasks.archive.peer import ListedSeries, ListedStudy
from tasks.dicom import fields as f
from tasks.dicom.fields import Fields, instance_from
from tasks.dicom.instance import Identity, Instance
from tasks.dicom.tags import EXPLICIT_LITTLE

MODALITIES_IN_STUDY = 0x00080061
STUDY_SERIES = 0x00201206
STUDY_INSTANCES = 0x00201208
SERIES_INSTANCES = 0x00201209
TOKEN_DIGITS = 32

_STUDY_KEYS = (
    f.ACCESSION_NUMBER,
    f.STUDY_DESCRIPTION,
    f.PATIENT_NAME,
    f.PATIENT_ID,
    f.ISSUER_OF_PATIENT_ID,
    f.BIRTH_DATE,
    f.SEX,
    MODALITIES_IN_STUDY,
    STUDY_SERIES,
    STUDY_INSTANCES,
)
_SERIES_KEYS = (f.MODALITY, f.SERIES_NUMBER, f.SERIES_DESCRIPTION, SERIES_INSTANCES)
# All of an `Instance` that an index may know; without sequences, and without what another element explains.
_IMAGE_KEYS = tuple(
    sorted(
        tag
        for tag in f.WANTED
        if keyword_for_tag(tag)
        and dictionary_VR(tag) not in ("SQ", "US or SS")
        and tag not in (f.SPECIFIC_CHARACTER_SET, f.STUDY_UID, f.SERIES_UID, f.SOP_INSTANCE_UID)
    )
)


def studies_query(since: date | None, until: date | None) -> Dataset:
    """Every study of these days, both included."""
    query = _query("STUDY", _STUDY_KEYS)
    query.StudyInstanceUID = ""
    query.StudyDate = _days(since, until)
    return query


def series_query(study_uid: str) -> Dataset:
    """Every series of a study."""
    query = _query("SERIES", _SERIES_KEYS)
    query.StudyInstanceUID, query.SeriesInstanceUID = study_uid, ""
    return query


def images_query(study_uid: str, series_uid: str) -> Dataset:
    """Every instance of a series, with all that the peer knows of each."""
    query = _query("IMAGE", _IMAGE_KEYS)
    query.StudyInstanceUID, query.SeriesInstanceUID, query.SOPInstanceUID = study_uid, series_uid, ""
    return query


def instances_query(study_uid: str, series_uid: str, uids: list[str]) -> Dataset:
    """These instances, for C-GET and C-MOVE, which allow no other keys than the UIDs."""
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID, query.SeriesInstanceUID = study_uid, series_uid
    query.SOPInstanceUID = uids
    return query


def listed_study(answer: Dataset) -> ListedStudy:
    """What an answer at study level says."""
    fields = Fields(raw_values(answer), EXPLICIT_LITTLE)
    return ListedStudy(
        study_uid=fields.uid(f.STUDY_UID),
        study_date=fields.ascii(f.STUDY_DATE),
        series=fields.integer(STUDY_SERIES),
        instances=fields.integer(STUDY_INSTANCES),
        modalities=tuple(
            part.strip() for part in fields.ascii(MODALITIES_IN_STUDY).split("\\") if part.strip()
        ),
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


def listed_series(answer: Dataset) -> ListedSeries:
    """What an answer at series level says."""
    fields = Fields(raw_values(answer), EXPLICIT_LITTLE)
    return ListedSeries(
        series_uid=fields.uid(f.SERIES_UID),
        modality=fields.ascii(f.MODALITY).upper(),
        instances=fields.integer(SERIES_INSTANCES),
        series_number=fields.integer(f.SERIES_NUMBER),
        description=fields.text(f.SERIES_DESCRIPTION),
    )


def listed_instance(answer: Dataset, study_uid: str, series_uid: str) -> Instance:
    """What an answer at image level says of a header; what it does not say is absent.

    The UIDs of study and series are those that were asked for. The content token follows from all that the
    peer says of the instance.
    """
    values = raw_values(answer)
    values[f.STUDY_UID], values[f.SERIES_UID] = study_uid.encode(), series_uid.encode()
    fields = Fields(values, EXPLICIT_LITTLE)
    digest = hashlib.sha256()
    for tag in sorted(values):
        digest.update(b"%08x %d " % (tag, len(values[tag])) + values[tag])
    return instance_from(
        fields,
        source=fields.uid(f.SOP_INSTANCE_UID),
        size_bytes=0,
        transfer_syntax_uid="",
        content_token=digest.hexdigest()[:TOKEN_DIGITS],
        pixel_offset=None,
        pixel_length=None,
        problem="",
    )


def raw_values(answer: Dataset) -> dict[int, bytes]:
    """The bytes of an answer's elements by tag; those of sequences are left out."""
    values: dict[int, bytes] = {}
    for tag in answer.keys():  # noqa: SIM118 - iterating a Dataset would convert every element
        item = answer.get_item(tag)
        if isinstance(item, RawDataElement):
            values[int(tag)] = item.value or b""
    return values


def _query(level: str, keys: tuple[int, ...]) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for tag in keys:
        setattr(query, keyword_for_tag(tag), None)
    return query


def _days(since: date | None, until: date | None) -> str:
    """A range match (PS3.4 section C.2.2.2.5); empty, which matches all, without days."""
    if since is None and until is None:
        return ""
    if since == until and since is not None:
        return f"{since:%Y%m%d}"
    return (
        f"{since:%Y%m%d}-"
        if until is None
        else f"{since:%Y%m%d}-{until:%Y%m%d}"
        if since
        else f"-{until:%Y%m%d}"
    )
