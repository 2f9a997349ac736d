"""A tag walker: finds wanted elements in the bytes of a DICOM data set without building a data set.

It understands explicit and implicit VR in either byte order, steps over everything it was not asked for, and
stops at the pixel data. It reads a byte string and nothing else, so a hostile length costs no memory: every
step moves forward by at least one element header, and a length that leaves the file ends the walk.
"""

from __future__ import annotations

import struct
from collections.abc import Container
from dataclasses import dataclass, field
from enum import Enum

UNDEFINED_LENGTH = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010
FIRST_PIXEL_TAG = 0x7FE00008  # Float Pixel Data; Double Float is 7FE0,0009
ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD

# PS3.5 section 7.1.2: these carry a 16-bit length; the others two reserved bytes and a 32-bit length.
SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())

# More of a wanted value is not kept: no value of an image header is as long, only sequences are.
MAX_VALUE_BYTES = 16 * 1024
# Sequences nested deeper than this are not met in image headers, which need 3 to 6.
MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a transfer syntax writes elements."""

    explicit: bool
    big_endian: bool = False

    @property
    def order(self) -> str:
        """The byte order as `struct` names it."""
        return ">" if self.big_endian else "<"


EXPLICIT_LITTLE = Encoding(explicit=True)
IMPLICIT_LITTLE = Encoding(explicit=False)
EXPLICIT_BIG = Encoding(explicit=True, big_endian=True)


class End(Enum):
    """Why a walk ended."""

    PIXELS = "pixels"  # at the pixel data
    FILE = "file"  # at the end of the file, between two elements
    STOPPED = "stopped"  # at `stop`, between two elements
    NEEDS_MORE = "needs_more"  # the buffer ends inside an element that fits into the file
    CUT = "cut"  # an element claims more bytes than the file has
    CONFUSED = "confused"  # what stands there is no element


@dataclass(slots=True)
class Walk:
    """What a walk found.

    Attributes:
        values: raw bytes of wanted elements by tag (group << 16 | element).
        end: why it ended.
        position: offset of the element at which it ended; with NEEDS_MORE, `needed` bytes are wanted.
        pixel_offset, pixel_length: as in `Instance`.
    """

    values: dict[int, bytes] = field(default_factory=dict)
    end: End = End.FILE
    position: int = 0
    needed: int = 0
    pixel_offset: int | None = None
    pixel_length: int | None = None


class _Unfinished(Exception):  # noqa: N818 - control flow inside this module
    def __init__(self, end: End, needed: int = 0) -> None:
        self.end = end
        self.needed = needed


def walk(
    buffer: bytes,
    start: int,
    size: int,
    encoding: Encoding,
    wanted: Container[int],
    *,
    stop_group: int | None = None,
) -> Walk:
    """Find wanted elements from `start` on.

    Args:
        buffer: the first bytes of the file (or of the inflated data set).
        start: offset of the first element.
        size: length of the whole file, of which `buffer` may be the beginning only.
        encoding: how elements are written.
        wanted: tags whose values to keep.
        stop_group: end before the first element of another group; for the file meta group, explicit VR.
    """
    found = Walk(position=start)
    reader = _Reader(buffer, size, encoding)
    short, group_element, long = reader.short, reader.group_element, reader.long
    explicit, available = encoding.explicit, len(buffer)
    values, position = found.values, start
    try:
        while position + 8 <= available:
            if explicit:
                group, element, vr, length = short.unpack_from(buffer, position)
                value = position + 8
                if stop_group is not None and group != stop_group:
                    break
                if vr not in SHORT_VRS:
                    length, value = reader.long_form(vr, position)
            else:
                group, element = group_element.unpack_from(buffer, position)
                (length,) = long.unpack_from(buffer, position + 4)
                vr, value = b"", position + 8
            tag = group << 16 | element
            if tag >= FIRST_PIXEL_TAG:
                return _at_pixels(found, tag, value, length, position)
            if length == UNDEFINED_LENGTH:
                if vr == b"UN":
                    raise _Unfinished(End.CONFUSED)
                position = reader.skip_sequence(value)
                if tag in wanted:  # without its delimiter, as if its length were defined
                    values[tag] = buffer[value : position - 8][:MAX_VALUE_BYTES]
                continue
            after = value + length
            if after > available:
                raise _Unfinished(End.CUT if after > size else End.NEEDS_MORE, after)
            if tag in wanted:
                values[tag] = buffer[value : min(after, value + MAX_VALUE_BYTES)]
            position = after
    except _Unfinished as unfinished:
        found.end, found.needed, found.position = unfinished.end, unfinished.needed, position
        return found
    found.position = position
    if stop_group is not None and position + 8 <= available:
        found.end = End.STOPPED
    elif available < size:
        found.end, found.needed = End.NEEDS_MORE, position + 8
    else:
        found.end = End.FILE if position == size else End.CUT
    return found


def _at_pixels(found: Walk, tag: int, value: int, length: int, position: int) -> Walk:
    found.position = position
    if tag == PIXEL_DATA:
        found.end = End.PIXELS
        found.pixel_offset = value
        found.pixel_length = None if length == UNDEFINED_LENGTH else length
    else:
        found.end = End.STOPPED
    return found


class _Reader:
    """The parts of the walk that most elements do not need."""

    def __init__(self, buffer: bytes, size: int, encoding: Encoding) -> None:
        self.buffer = buffer
        self.size = size
        self.explicit = encoding.explicit
        self.short = struct.Struct(encoding.order + "HH2sH")
        self.group_element = struct.Struct(encoding.order + "HH")
        self.long = struct.Struct(encoding.order + "I")

    def long_form(self, vr: bytes, position: int) -> tuple[int, int]:
        """(length, offset of the value) of an explicit element whose VR has a 32-bit length."""
        if vr not in LONG_VRS:
            raise _Unfinished(End.CONFUSED)
        if position + 12 > len(self.buffer):
            raise self._short_of(position + 12)
        return self.long.unpack_from(self.buffer, position + 8)[0], position + 12

    def skip_sequence(self, position: int) -> int:
        """The offset after a sequence of undefined length whose first item starts at `position`."""
        depth = 1
        while depth:
            if position + 8 > len(self.buffer):
                raise self._short_of(position + 8)
            group, element = self.group_element.unpack_from(self.buffer, position)
            tag = group << 16 | element
            if group == 0xFFFE or not self.explicit:
                (length,) = self.long.unpack_from(self.buffer, position + 4)
                position += 8
            else:
                vr, length = self.short.unpack_from(self.buffer, position)[2:]
                if vr in SHORT_VRS:
                    position += 8
                else:
                    length, position = self.long_form(vr, position)
                    if vr == b"UN" and length == UNDEFINED_LENGTH:
                        raise _Unfinished(End.CONFUSED)
            if tag in (ITEM_END, SEQUENCE_END):
                depth -= 1
            elif length == UNDEFINED_LENGTH:
                depth += 1
                if depth > MAX_DEPTH:
                    raise _Unfinished(End.CUT)
            else:
                position += length
        return position

    def _short_of(self, needed: int) -> _Unfinished:
        return _Unfinished(End.CUT if needed > self.size else End.NEEDS_MORE, needed)
