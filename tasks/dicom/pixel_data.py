"""Where the bytes of a frame lie: `frame_bytes` reads one frame of an instance, and no more than it must.

Uncompressed frames lie at a known place. Encapsulated ones lie in fragments (PS3.5 annex A.4): one frame
takes all of them, several are found by their offset table or, without one, one by one. A deflated data set
must be inflated whole.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from tasks.dicom.codecs.base import PixelFormat, truncated, undecodable
from tasks.dicom.instance import Instance
from tasks.dicom.syntaxes import syntax_of
from tasks.dicom.tags import EXPLICIT_LITTLE, ITEM, SEQUENCE_END, walk

ITEM_HEADER = struct.Struct("<HHI")
# An offset table longer than this belongs to no CT: 4 bytes for each of 20,000 frames.
MAX_TABLE_BYTES = 4 * 20_000
# Room for the header of a deflated data set, beside its pixels.
DEFLATED_HEADER_BYTES = 32 * 1024 * 1024
# The end of a file that is looked at: the last bytes of the last fragment and the sequence delimiter.
TAIL_BYTES = 128
SEQUENCE_DELIMITER = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"

Read = Callable[[int, int], bytes]


def frame_bytes(instance: Instance, frame: int, form: PixelFormat, read: Read) -> bytes:
    """The encoded bytes of one frame.

    Args:
        instance: whose pixels.
        frame: its index.
        form: what the header says of a frame.
        read: `read(offset, length)` gives bytes of the file, fewer at its end.

    Raises:
        Failed: `truncated_pixels` when the file ends before the frame does, `undecodable_pixels` when the
            frame cannot be told from the others.
    """
    syntax = syntax_of(instance.transfer_syntax_uid)
    if syntax.deflated:
        return _from_deflated(instance, frame, form, read)
    if instance.pixel_offset is None:
        raise truncated(instance.problem or "no pixel data in the file")
    if not syntax.encapsulated:
        start = instance.pixel_offset + frame * form.frame_bytes
        _check_declared_length(instance, form)
        return _exactly(read, start, form.frame_bytes)
    if len(instance.frames) <= 1:
        length = instance.size_bytes - instance.pixel_offset
        return b"".join(_fragments(read(instance.pixel_offset, length), length))
    return _frame_of_many(instance, frame, read)


def check_complete(instance: Instance, form: PixelFormat, read: Read) -> None:
    """Refuse an instance whose pixel data plainly end too early, without decoding it.

    Uncompressed pixels are judged by the sizes in the header alone; encapsulated ones by the end of the file,
    where the sequence delimiter stands unless other elements follow.

    Raises:
        Failed: `truncated_pixels`.
    """
    syntax = syntax_of(instance.transfer_syntax_uid)
    if syntax.deflated:
        return
    if instance.pixel_offset is None:
        raise truncated(instance.problem or "no pixel data in the file")
    if not syntax.encapsulated:
        _check_declared_length(instance, form)
        needed = form.frame_bytes * max(1, len(instance.frames))
        if instance.pixel_offset + needed > instance.size_bytes:
            raise truncated(f"{instance.size_bytes - instance.pixel_offset} of {needed} bytes")
        return
    start = max(instance.pixel_offset, instance.size_bytes - TAIL_BYTES)
    tail = read(start, instance.size_bytes - start)
    if SEQUENCE_DELIMITER not in tail:
        _check_fragments_end(instance, read)


def _check_declared_length(instance: Instance, form: PixelFormat) -> None:
    needed = form.frame_bytes * max(1, len(instance.frames))
    if instance.pixel_length is None:
        raise undecodable("uncompressed pixels of undefined length")
    if instance.pixel_length < needed:
        raise truncated(f"{instance.pixel_length} of {needed} bytes")


def _exactly(read: Read, offset: int, length: int) -> bytes:
    data = read(offset, length)
    if len(data) < length:
        raise truncated(f"{len(data)} of {length} bytes")
    return data


def _fragments(value: bytes, available: int) -> list[bytes]:
    """The fragments in the value of encapsulated pixel data that begins with its offset table."""
    fragments: list[bytes] = []
    position, is_table = 0, True
    while position + ITEM_HEADER.size <= len(value):
        group, element, length = ITEM_HEADER.unpack_from(value, position)
        tag = group << 16 | element
        if tag == SEQUENCE_END:
            break
        if tag != ITEM:
            raise undecodable("damaged fragments of pixel data")
        position += ITEM_HEADER.size
        if position + length > len(value):
            raise truncated(f"a fragment of {length} bytes, {available - position} are left in the file")
        if not is_table:
            fragments.append(value[position : position + length])
        is_table = False
        position += length
    if not fragments:
        raise truncated("no fragments of pixel data")
    return fragments


def _frame_of_many(instance: Instance, frame: int, read: Read) -> bytes:
    """One frame of several: by the basic offset table, or else one fragment for each frame."""
    pixels = instance.pixel_offset
    if pixels is None:
        raise truncated("no pixel data in the file")
    table_length = _item_length(read, pixels)
    if table_length is None or table_length > MAX_TABLE_BYTES:
        raise undecodable("damaged offset table")
    first = pixels + ITEM_HEADER.size + table_length
    count = len(instance.frames)
    if table_length == 4 * count:
        table = struct.unpack(f"<{count}I", _exactly(read, pixels + ITEM_HEADER.size, table_length))
        start = first + table[frame]
        stop = first + table[frame + 1] if frame + 1 < count else instance.size_bytes
        if not first <= start < stop <= instance.size_bytes:
            raise undecodable("the offset table points out of the file")
        value = read(start, stop - start)
        return b"".join(_fragments(ITEM_HEADER.pack(0xFFFE, 0xE000, 0) + value, instance.size_bytes - start))
    places = _fragment_places(read, first, instance.size_bytes)
    if len(places) != count:
        raise undecodable(f"{len(places)} fragments for {count} frames, and no offset table")
    return _exactly(read, *places[frame])


def _fragment_places(read: Read, position: int, size: int) -> list[tuple[int, int]]:
    """(offset, length) of each fragment from `position` on, from the item headers alone."""
    places: list[tuple[int, int]] = []
    while (length := _item_length(read, position)) is not None:
        start = position + ITEM_HEADER.size
        if start + length > size:
            raise truncated(f"a fragment of {length} bytes, {size - start} are left in the file")
        places.append((start, length))
        position = start + length
    return places


def _check_fragments_end(instance: Instance, read: Read) -> None:
    if instance.pixel_offset is None:
        raise truncated("no pixel data in the file")
    places = _fragment_places(read, instance.pixel_offset, instance.size_bytes)
    end = sum(places[-1]) if places else instance.pixel_offset
    if read(end, 4) != SEQUENCE_DELIMITER[:4]:
        raise truncated("the fragments of pixel data do not end")


def _item_length(read: Read, position: int) -> int | None:
    """The length of the item at a position; None at the sequence delimiter or the end of the file."""
    header = read(position, ITEM_HEADER.size)
    if len(header) < ITEM_HEADER.size:
        return None
    group, element, length = ITEM_HEADER.unpack(header)
    return int(length) if group << 16 | element == ITEM else None


def _from_deflated(instance: Instance, frame: int, form: PixelFormat, read: Read) -> bytes:
    """Inflate the data set, at most as far as an honest one of this format can be."""
    data = read(0, instance.size_bytes)
    start = _data_set_offset(data)
    limit = form.frame_bytes * max(1, len(instance.frames)) + DEFLATED_HEADER_BYTES
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = stream.decompress(data[start:], limit)
    except zlib.error:
        raise truncated("the deflated data set is damaged") from None
    if not stream.eof:
        raise truncated("the deflated data set does not end")
    found = walk(inflated, 0, len(inflated), EXPLICIT_LITTLE, frozenset())
    if found.pixel_offset is None or found.pixel_length is None:
        raise truncated("no pixel data in the deflated data set")
    offset = found.pixel_offset + frame * form.frame_bytes
    pixels = inflated[offset : offset + form.frame_bytes]
    if len(pixels) < form.frame_bytes or found.pixel_length < form.frame_bytes * max(1, len(instance.frames)):
        raise truncated(f"{len(pixels)} of {form.frame_bytes} bytes")
    return pixels


def _data_set_offset(data: bytes) -> int:
    """Where the data set begins: after preamble and file meta information."""
    return walk(data, 132, len(data), EXPLICIT_LITTLE, frozenset(), stop_group=0x0002).position
