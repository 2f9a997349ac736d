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

from tasks.archive.entries import SERIES_FIELDS, STUDY_FIELDS, day_range, series_of, study_of
from tasks.archive.peer import ListedSeries, ListedStudy
from tasks.dicom import fields as f
from tasks.dicom.fields import Fields, instance_from
from tasks.dicom.header import TOKEN_DIGITS
from tasks.dicom.instance import Instance
from tasks.dicom.tags import EXPLICIT_LITTLE

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
    query = _query("STUDY", STUDY_FIELDS)
    query.StudyDate = day_range(since, until)
    return query


def series_query(study_uid: str) -> Dataset:
    """Every series of a study."""
    query = _query("SERIES", SERIES_FIELDS)
    query.StudyInstanceUID = study_uid
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
    return study_of(Fields(raw_values(answer), EXPLICIT_LITTLE))


def listed_series(answer: Dataset) -> ListedSeries:
    """What an answer at series level says."""
    return series_of(Fields(raw_values(answer), EXPLICIT_LITTLE))


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
