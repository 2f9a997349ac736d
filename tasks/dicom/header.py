"""`read_header`: one DICOM file's header as an `Instance`, or why the file is no image.

The inner loop of the scan. By `benchmarks/headers.py` (248 CT headers, one core, warm cache) pydicom reads
2,000 of them a second, dicomsdl 10,000 to 15,000 when five fields are wanted, and the tag walker of `tags.py`
9,000 with every field of an `Instance` built. So the walker: dicomsdl would gain nothing, and it opens files
itself, which bytes from DICOMweb are not. What the walker does not understand goes to pydicom.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from pydicom import Dataset

from tasks.dicom import fields as f
from tasks.dicom.fields import WANTED, Fields, instance_from
from tasks.dicom.instance import Instance
from tasks.dicom.tags import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Encoding,
    End,
    Walk,
    walk,
)
from tasks.dicom.uids import plain_uid
from tasks.dicom.with_pydicom import Unreadable, read_data_set, read_file, with_functional_groups

# Headers of CT slices end within 1 to 8 KiB; one read of this size is enough for nearly all.
FIRST_READ_BYTES = 8 * 1024
# A chunk that was too small is read again this many times larger.
GROWTH = 8
# Headers beyond this are refused: a 4,000-frame enhanced CT needs about 12 MiB.
MAX_HEADER_BYTES = 32 * 1024 * 1024

PREAMBLE_BYTES = 128
MAGIC = b"DICM"
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED_EXPLICIT_VR = "1.2.840.10008.1.2.1.99"
# 128 bits of the digest: collisions within one archive are out of the question.
TOKEN_DIGITS = 32
TRANSFER_SYNTAX_UID = 0x00020010
MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002

Read = Callable[[int, int], bytes]


class NoImage(StrEnum):
    """Why a file is passed over."""

    NOT_DICOM = "not_dicom"
    UNREADABLE = "unreadable"
    DICOMDIR = "dicomdir"
    SR = "sr"
    PR = "pr"
    PDF = "pdf"
    RT = "rt"
    SEG = "seg"
    OTHER_OBJECT = "other_object"


@dataclass(frozen=True, slots=True)
class Passed:
    """A file that is no image, or whose study cannot be told."""

    why: NoImage


_META = frozenset({TRANSFER_SYNTAX_UID, MEDIA_STORAGE_SOP_CLASS_UID})
# Every other transfer syntax is explicit VR little endian.
_ENCODINGS = {IMPLICIT_VR_LITTLE_ENDIAN: IMPLICIT_LITTLE, EXPLICIT_VR_BIG_ENDIAN: EXPLICIT_BIG}
_SYNTAX_OF = {
    IMPLICIT_LITTLE: IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_BIG: EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_LITTLE: EXPLICIT_VR_LITTLE_ENDIAN,
    Encoding(explicit=False, big_endian=True): "",
}
_PROBLEMS = {
    End.PIXELS: "",
    End.FILE: "no pixel data",
    End.STOPPED: "no integer pixel data",
    End.NEEDS_MORE: f"the header is longer than {MAX_HEADER_BYTES >> 20} MiB",
    End.CUT: "the file ends inside its header",
    End.CONFUSED: "the header is damaged",
}

# SOP class UIDs (PS3.4 annex B) by their beginning; the first that fits decides.
_OBJECTS: tuple[tuple[str, NoImage], ...] = (
    ("1.2.840.10008.1.3.10", NoImage.DICOMDIR),
    ("1.2.840.10008.5.1.4.1.1.88.", NoImage.SR),
    ("1.2.840.10008.5.1.4.1.1.11.", NoImage.PR),
    ("1.2.840.10008.5.1.4.1.1.104.1", NoImage.PDF),
    ("1.2.840.10008.5.1.4.1.1.104.", NoImage.OTHER_OBJECT),
    ("1.2.840.10008.5.1.4.1.1.481.", NoImage.RT),
    ("1.2.840.10008.5.1.4.1.1.66.4", NoImage.SEG),
    ("1.2.840.10008.5.1.4.1.1.66", NoImage.OTHER_OBJECT),
    ("1.2.840.10008.5.1.4.1.1.9.", NoImage.OTHER_OBJECT),
)


def read_header(path: str | Path, size_bytes: int) -> Instance | Passed:
    """The header of a DICOM file.

    Args:
        path: the file.
        size_bytes: its length, as the directory listing gave it.

    Returns:
        The instance, its `problem` set when its header could not be read to the pixels or its values are of
        no use; or why the file is passed over. Damaged and hostile files have no other outcome.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return Passed(NoImage.UNREADABLE)
    try:
        return parse_header(
            str(path), size_bytes, lambda offset, length: os.pread(descriptor, length, offset)
        )
    except OSError:
        return Passed(NoImage.UNREADABLE)
    finally:
        os.close(descriptor)


def parse_header(source: str, size_bytes: int, read: Read) -> Instance | Passed:
    """As `read_header`, over any source of bytes: `read(offset, length)` returns at most that many."""
    length = min(FIRST_READ_BYTES, size_bytes)
    while True:
        buffer = read(0, length)
        if len(buffer) < length:  # the file has become shorter since it was listed
            size_bytes = len(buffer)
        header = _interpret(buffer, size_bytes)
        if header is None:
            return Passed(NoImage.NOT_DICOM)
        wanted = min(max(length * GROWTH, header.found.needed), size_bytes, MAX_HEADER_BYTES)
        if header.found.end is not End.NEEDS_MORE or wanted <= len(buffer):
            return _outcome(header, source, size_bytes, buffer)
        length = wanted


@dataclass(frozen=True, slots=True)
class _Header:
    """What one look at the beginning of a file gave; `dataset` when pydicom gave it."""

    found: Walk
    encoding: Encoding
    transfer_syntax_uid: str
    media_class: str = ""
    data: bytes = b""
    start: int = 0
    dataset: Dataset | None = None

    @property
    def sop_class(self) -> str:
        return plain_uid(self.found.values.get(f.SOP_CLASS_UID, b""))

    @property
    def is_doubtful(self) -> bool:
        """Whether pydicom might make more of it: what stands there is not what the syntax promises."""
        end = self.found.end
        return end is End.CONFUSED or (f.STUDY_UID not in self.found.values and end is not End.NEEDS_MORE)


def _interpret(buffer: bytes, size_bytes: int) -> _Header | None:
    """What the beginning of a file says; None when it is no DICOM."""
    if buffer[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] == MAGIC:
        start = PREAMBLE_BYTES + 4
    elif buffer[:2] == b"\x02\x00":  # file meta information without a preamble
        start = 0
    else:
        return _by_pydicom(buffer, size_bytes) if _may_be_data_set(buffer) else None
    meta = walk(buffer, start, size_bytes, EXPLICIT_LITTLE, _META, stop_group=0x0002)
    media_class = plain_uid(meta.values.get(MEDIA_STORAGE_SOP_CLASS_UID, b""))
    syntax = plain_uid(meta.values.get(TRANSFER_SYNTAX_UID, b""))
    if meta.end is End.NEEDS_MORE:
        return _Header(meta, EXPLICIT_LITTLE, syntax, media_class)
    header = _by_walking(buffer, meta.position, size_bytes, syntax, media_class)
    if header.is_doubtful and _no_image(media_class) is None:
        return _by_pydicom(buffer, size_bytes) or header
    return header


def _by_walking(buffer: bytes, start: int, size_bytes: int, syntax: str, media_class: str) -> _Header:
    if syntax == DEFLATED_EXPLICIT_VR:
        inflated, size = _inflate(buffer[start:], is_whole=len(buffer) >= size_bytes)
        found = walk(inflated, 0, size, EXPLICIT_LITTLE, WANTED)
        # offsets are those of the inflated data set: of no use to someone who has the file
        found.pixel_offset, found.needed = None, 0
        return _Header(found, EXPLICIT_LITTLE, syntax, media_class, inflated, 0)
    encoding = _ENCODINGS.get(syntax, EXPLICIT_LITTLE)
    found = walk(buffer, start, size_bytes, encoding, WANTED)
    return _Header(found, encoding, syntax, media_class, buffer, start)


def _by_pydicom(buffer: bytes, size_bytes: int) -> _Header | None:
    try:
        reading = read_file(buffer, size_bytes, WANTED)
    except Unreadable:
        return None
    syntax = plain_uid(reading.transfer_syntax_uid.encode()) or _SYNTAX_OF[reading.encoding]
    return _Header(reading.walk, reading.encoding, syntax, dataset=reading.dataset)


def _inflate(deflated: bytes, *, is_whole: bool) -> tuple[bytes, int]:
    """(the beginning of the inflated data set, its length or an upper bound of it)."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = stream.decompress(deflated, MAX_HEADER_BYTES)
    except zlib.error:
        return b"", 0
    is_all = stream.eof or (is_whole and not stream.unconsumed_tail)
    return inflated, len(inflated) if is_all else MAX_HEADER_BYTES + 1


def _may_be_data_set(buffer: bytes) -> bool:
    """Whether bytes without preamble and meta information may start a data set: group 0008, either order."""
    return len(buffer) >= 16 and buffer[:2] in (b"\x08\x00", b"\x00\x08") and buffer[3 - buffer[1] // 8] == 0


def _outcome(header: _Header, source: str, size_bytes: int, buffer: bytes) -> Instance | Passed:
    why = _no_image(header.sop_class or header.media_class)
    if why is not None:
        return Passed(why)
    fields, found = Fields(header.found.values, header.encoding), header.found
    if not fields.uid(f.STUDY_UID):
        readable = found.end in (End.FILE, End.STOPPED, End.PIXELS)
        return Passed(NoImage.OTHER_OBJECT if readable else NoImage.UNREADABLE)
    is_whole_without_pixels = found.end in (End.FILE, End.STOPPED)
    if is_whole_without_pixels and header.sop_class != f.CT_IMAGE_STORAGE:
        return Passed(NoImage.OTHER_OBJECT)
    instance = instance_from(
        fields,
        source=source,
        size_bytes=size_bytes,
        transfer_syntax_uid=header.transfer_syntax_uid,
        content_token=_token(fields, size_bytes, buffer),
        pixel_offset=found.pixel_offset,
        pixel_length=found.pixel_length,
        problem=_PROBLEMS[found.end],
    )
    if f.SHARED_GROUPS not in found.values and f.PER_FRAME_GROUPS not in found.values:
        return instance
    try:
        dataset = header.dataset or read_data_set(header.data, header.start, header.encoding)
    except Unreadable:
        return replace(instance, frames=(), problem="functional groups cannot be read")
    return with_functional_groups(instance, dataset)


def _token(fields: Fields, size_bytes: int, buffer: bytes) -> str:
    """A digest of what was read: identity, size, header, and the first pixels as far as they were read."""
    digest = hashlib.sha256(f"{fields.uid(f.SOP_INSTANCE_UID)} {size_bytes} ".encode())
    digest.update(buffer)
    return digest.hexdigest()[:TOKEN_DIGITS]


def _no_image(sop_class: str) -> NoImage | None:
    return next((why for beginning, why in _OBJECTS if sop_class.startswith(beginning)), None)
