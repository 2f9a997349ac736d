"""DICOM JSON (PS3.18 annex F) as the bytes that the same elements have in a file.

Whatever a server sends, `Fields` then reads as it reads a file's header, so that both give the same values.
What cannot be one of these values is absent: JSON of other types, numbers out of range, bulk data elsewhere.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Iterator, Mapping

from tasks.dicom import fields as f
from tasks.dicom.fields import Fields
from tasks.dicom.tags import EXPLICIT_LITTLE, ITEM, MAX_VALUE_BYTES
from tasks.outcomes import ArchiveError

DataSet = Mapping[str, object]

UTF_8 = b"ISO_IR 192"
# Read from two bytes; everything else is text.
_WORDS = frozenset(
    {
        f.SAMPLES_PER_PIXEL,
        f.ROWS,
        f.COLUMNS,
        f.BITS_ALLOCATED,
        f.BITS_STORED,
        f.HIGH_BIT,
        f.PIXEL_REPRESENTATION,
        f.PADDING_VALUE,
        f.PADDING_LIMIT,
    }
)
_SEQUENCES = frozenset(
    {f.CONTRAST_AGENT_SEQUENCE, f.MODALITY_LUT_SEQUENCE, f.SHARED_GROUPS, f.PER_FRAME_GROUPS}
)
# A person's name in its three ways of writing, in the order in which a file has them.
_NAME_PARTS = ("Alphabetic", "Ideographic", "Phonetic")
_SPACE = re.compile(r"[ \t\r\n]*")
_NO_JSON = "The archive's answer is not DICOM JSON: is the address that of its DICOMweb?"


def data_sets(body: bytes) -> Iterator[DataSet]:
    """The data sets of an answer, one after the other, so that only one is held at a time.

    Raises:
        ArchiveError: when the answer is no JSON array of objects, nor a single object as some servers send.
    """
    try:
        text = body.decode("utf-8-sig")
        position = _skip(text, 0)
        if text[position : position + 1] == "{":
            yield _object(text, position)[0]
            return
        if text[position : position + 1] != "[":
            raise ArchiveError(_NO_JSON)
        position = _skip(text, position + 1)
        while text[position : position + 1] != "]":
            content, position = _object(text, position)
            yield content
            position = _skip(text, position)
            if text[position : position + 1] == ",":
                position = _skip(text, position + 1)
    except (ValueError, RecursionError):
        raise ArchiveError(_NO_JSON) from None


def tag_key(tag: int) -> str:
    """A tag as JSON has it."""
    return f"{tag:08X}"


def fields_of(content: DataSet, wanted: Iterable[int] = f.WANTED) -> Fields:
    """The wanted elements of a data set."""
    return Fields(raw_values(content, wanted), EXPLICIT_LITTLE)


def raw_values(content: DataSet, wanted: Iterable[int]) -> dict[int, bytes]:
    """The bytes of the wanted elements that are there, text in UTF-8, explicit VR little endian."""
    found = {f.SPECIFIC_CHARACTER_SET: UTF_8}
    for tag in wanted:
        values = _values(content, tag)
        if values and tag != f.SPECIFIC_CHARACTER_SET:
            raw = _raw(tag, values)
            if raw:
                found[tag] = raw[:MAX_VALUE_BYTES]
    return found


def _skip(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _object(text: str, position: int) -> tuple[DataSet, int]:
    content, end = _DECODER.raw_decode(text, position)
    if not isinstance(content, dict):
        raise ArchiveError(_NO_JSON)
    return content, end


_DECODER = json.JSONDecoder()


def _values(content: DataSet, tag: int) -> list[object]:
    element = content.get(tag_key(tag))
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []


def _raw(tag: int, values: list[object]) -> bytes:
    if tag in _WORDS:
        return _word(values[0])
    if tag == f.CONTRAST_AGENT_SEQUENCE:
        return _item(values[0])
    if tag in _SEQUENCES:
        return b"sequence"  # that it is there is all that is asked
    return "\\".join(map(_text, values)).encode("utf-8", "replace")


def _word(value: object) -> bytes:
    """A US or SS value; a number that fits neither is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**15) <= value < 2**16:
        return b""
    return struct.pack("<h" if value < 0 else "<H", value)


def _text(value: object) -> str:
    if isinstance(value, dict):
        parts = [value.get(name) for name in _NAME_PARTS]
        return "=".join(part if isinstance(part, str) else "" for part in parts).rstrip("=")
    if isinstance(value, str):
        return value
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _item(value: object) -> bytes:
    """The first item of a sequence of codes, with the meaning of its code."""
    meaning = fields_of(value, {f.CODE_MEANING}).ascii(f.CODE_MEANING) if isinstance(value, dict) else ""
    text = meaning.encode("ascii")[: MAX_VALUE_BYTES // 2]
    element = struct.pack("<HH2sH", f.CODE_MEANING >> 16, f.CODE_MEANING & 0xFFFF, b"LO", len(text)) + text
    return struct.pack("<HHI", ITEM >> 16, ITEM & 0xFFFF, len(element)) + element
