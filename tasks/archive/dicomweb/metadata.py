"""WADO-RS metadata: the headers of a series as `Instance` values, equal to those of its files.

What metadata cannot tell is left open: sizes, the place of the pixels, and mostly the transfer syntax; the
instance itself tells them when it is fetched.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from pydicom import Dataset

from tasks.archive.dicomweb.client import Answer, Connection
from tasks.archive.dicomweb.dicom_json import DataSet, data_sets, raw_values, tag_key
from tasks.archive.dicomweb.query import JSON
from tasks.dicom import fields as f
from tasks.dicom.fields import MAX_FRAMES, WANTED, Fields, instance_from
from tasks.dicom.header import TOKEN_DIGITS
from tasks.dicom.instance import Instance
from tasks.dicom.tags import EXPLICIT_LITTLE
from tasks.dicom.uids import plain_uid
from tasks.dicom.with_pydicom import Unreadable, damaged_input_as_unreadable, with_functional_groups
from tasks.outcomes import ArchiveError

# A CT header takes 7 KiB of JSON, so this is more than ten thousand of them.
MAX_METADATA_BYTES = 128 * 1024 * 1024
AVAILABLE_TRANSFER_SYNTAX_UID = 0x00083002
# Sequences whose inner elements `with_functional_groups` reads.
_GROUPS = (f.SHARED_GROUPS, f.PER_FRAME_GROUPS)
_OF_ENHANCED = (*_GROUPS, f.NUMBER_OF_FRAMES, f.CONTRAST_AGENT_SEQUENCE)


def fetch_headers(
    connection: Connection, study_uid: str, series_uid: str
) -> tuple[tuple[Instance, ...], int]:
    """(the headers of a series; none when there is no such series, bytes that came over the network).

    Raises:
        ArchiveError: when there is no usable answer.
    """
    path = f"studies/{study_uid}/series/{series_uid}"
    answer = connection.get(f"{path}/metadata", JSON, limit_bytes=MAX_METADATA_BYTES)
    return read_headers(answer, study_uid, series_uid), answer.moved


def read_headers(answer: Answer, study_uid: str, series_uid: str) -> tuple[Instance, ...]:
    """The headers that an answer holds.

    Raises:
        ArchiveError: when it is no DICOM JSON, or holds more images than a series has.
    """
    instances = []
    for content in data_sets(answer.body) if answer.body else ():
        instances.append(instance_of(content, study_uid, series_uid))
        if len(instances) > MAX_FRAMES:
            raise ArchiveError(f"The archive lists more than {MAX_FRAMES} images in a series.")
    return tuple(instances)


def instance_of(content: DataSet, study_uid: str, series_uid: str) -> Instance:
    """The instance that one data set describes; one that cannot be used says so in `problem`.

    Args:
        study_uid, series_uid: what was asked for; an image of another series is of no use.
    """
    raw = raw_values(content, WANTED)
    fields = Fields(raw, EXPLICIT_LITTLE)
    sop_uid = fields.uid(f.SOP_INSTANCE_UID)
    instance = instance_from(
        fields,
        source=f"studies/{study_uid}/series/{series_uid}/instances/{sop_uid}",
        size_bytes=0,
        transfer_syntax_uid=_transfer_syntax_uid(content),
        content_token=_token(repr(sorted(raw.items()))),
        pixel_offset=None,
        pixel_length=None,
        problem=_problem(fields, study_uid, series_uid),
    )
    if f.SHARED_GROUPS in raw or f.PER_FRAME_GROUPS in raw:
        instance = _with_groups(instance, content)
    return replace(instance, study_uid=study_uid, series_uid=series_uid)


def _problem(fields: Fields, study_uid: str, series_uid: str) -> str:
    if not fields.uid(f.SOP_INSTANCE_UID):
        return "the archive's metadata names no SOPInstanceUID"
    if (fields.uid(f.STUDY_UID), fields.uid(f.SERIES_UID)) != (study_uid, series_uid):
        return "the archive's metadata are of another series"
    return ""


def _with_groups(instance: Instance, content: DataSet) -> Instance:
    elements = {tag_key(tag): content[tag_key(tag)] for tag in _OF_ENHANCED if tag_key(tag) in content}
    try:
        with damaged_input_as_unreadable():
            dataset = Dataset.from_json(elements)
            token = _token(instance.content_token + json.dumps(elements, sort_keys=True))
    except Unreadable:
        return replace(instance, frames=(), problem="functional groups cannot be read")
    return with_functional_groups(replace(instance, content_token=token), dataset)


def _transfer_syntax_uid(content: DataSet) -> str:
    """The one syntax in which the archive has an instance; empty when it says none, or several."""
    found = raw_values(content, {AVAILABLE_TRANSFER_SYNTAX_UID})
    uid = found.get(AVAILABLE_TRANSFER_SYNTAX_UID, b"")
    return "" if b"\\" in uid else plain_uid(uid)


def _token(header: str) -> str:
    """A digest of the header; pixels that change under it are not seen."""
    return hashlib.sha256(header.encode()).hexdigest()[:TOKEN_DIGITS]
