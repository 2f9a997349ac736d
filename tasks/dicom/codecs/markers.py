"""What compressed streams say of themselves, read from their markers before any decoder sees them.

Decoders trust the sizes in a stream and allocate them, and several return a half-grey picture for a stream
that was cut short. So the size is read here first, and the end is looked for.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tasks.dicom.codecs.base import PixelFormat, truncated, undecodable

# JPEG markers (ITU-T T.81 table B.1; T.87 for JPEG-LS)
START_OF_IMAGE = b"\xff\xd8"
END_OF_IMAGE = b"\xff\xd9"  # also JPEG 2000's end of codestream
SOF_LOSSLESS = 0xC3
SOF_JPEG_LS = 0xF7
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0), SOF_JPEG_LS}) - {0xC4, 0xC8, 0xCC}
HUFFMAN_TABLES = 0xC4
START_OF_SCAN = 0xDA
RESTART_INTERVAL = 0xDD

# Fragments are padded to an even length; some writers pad with whatever lies in their buffer.
MAX_PADDING_BYTES = 1

# JPEG 2000 markers (ITU-T T.800 table A.2)
SOC_SIZ = b"\xff\x4f\xff\x51"
START_OF_TILE_PART = 0xFF90
# A codestream inside a JP2 file begins after its boxes, well within this.
MAX_JP2_BOXES_BYTES = 4096


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """The segments of a JPEG or JPEG-LS stream up to its first scan.

    Attributes:
        process: the SOF marker's second byte.
        rows, columns, precision, components: as declared.
        segments: (marker, content) in order, the scan header last.
        scan_offset: where entropy-coded data begin.
    """

    process: int
    rows: int
    columns: int
    precision: int
    components: int
    segments: tuple[tuple[int, bytes], ...]
    scan_offset: int

    def segment(self, marker: int) -> bytes:
        """The content of the first segment of a kind; empty when there is none."""
        return next((content for kind, content in self.segments if kind == marker), b"")


@dataclass(frozen=True, slots=True)
class CodestreamHeader:
    """The SIZ segment of a JPEG 2000 codestream; `offset` is where the codestream begins."""

    rows: int
    columns: int
    precision: int
    signed: bool
    components: int
    offset: int


def jpeg_header(stream: bytes) -> JpegHeader:
    """Parse a JPEG stream's segments up to the first scan.

    Raises:
        Failed: `undecodable_pixels` when it is no JPEG stream, `truncated_pixels` when it ends too early.
    """
    if not stream.startswith(START_OF_IMAGE):
        raise undecodable("no JPEG stream where one should be")
    segments: list[tuple[int, bytes]] = []
    position, size = 2, len(stream)
    while position + 4 <= size:
        if stream[position] != 0xFF:
            raise undecodable("damaged JPEG segments")
        marker = stream[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        (length,) = struct.unpack_from(">H", stream, position + 2)
        content = stream[position + 4 : position + 2 + length]
        segments.append((marker, content))
        position += 2 + length
        if marker == START_OF_SCAN:
            return _with_frame_header(segments, position)
    raise truncated("the JPEG stream ends before its first scan")


def _with_frame_header(segments: list[tuple[int, bytes]], scan_offset: int) -> JpegHeader:
    process, content = next(
        ((kind, content) for kind, content in segments if kind in _START_OF_FRAME), (0, b"")
    )
    if len(content) < 6:
        raise undecodable("a JPEG stream without a frame header")
    precision, rows, columns, components = struct.unpack_from(">BHHB", content)
    return JpegHeader(process, rows, columns, precision, components, tuple(segments), scan_offset)


def codestream_header(stream: bytes) -> CodestreamHeader:
    """Parse the SIZ segment of a JPEG 2000 or HTJ2K stream, with or without JP2 boxes around it.

    Raises:
        Failed: `undecodable_pixels` when it is none, `truncated_pixels` when it ends too early.
    """
    offset = stream.find(SOC_SIZ, 0, MAX_JP2_BOXES_BYTES)
    if offset < 0:
        raise undecodable("no JPEG 2000 codestream where one should be")
    if len(stream) < offset + 45:
        raise truncated("the JPEG 2000 stream ends inside its header")
    right, bottom, left, top = struct.unpack_from(">4I", stream, offset + 8)
    components, depth, step_x, step_y = struct.unpack_from(">HBBB", stream, offset + 40)
    if left or top or step_x != 1 or step_y != 1:
        raise undecodable("a JPEG 2000 stream with an offset or subsampling")
    return CodestreamHeader(
        bottom - top, right - left, (depth & 0x7F) + 1, bool(depth & 0x80), components, offset
    )


def check_size(stream: JpegHeader | CodestreamHeader, form: PixelFormat) -> None:
    """Refuse a stream that is not one grey frame of the header's size; nothing is allocated before this.

    Raises:
        Failed: `undecodable_pixels`.
    """
    if (stream.rows, stream.columns) != (form.rows, form.columns):
        raise undecodable(
            f"the stream holds {stream.rows} × {stream.columns} pixels, "
            f"the header says {form.rows} × {form.columns}"
        )
    if stream.components != 1:
        raise undecodable(f"{stream.components} components; CT has one")
    if not 0 < stream.precision <= form.bits_allocated:
        raise undecodable(f"{stream.precision} bits a pixel in {form.bits_allocated} allocated")


def end_of(stream: bytes) -> int:
    """Offset of the end marker, behind which only padding may stand: one byte of anything, or zeros.

    Inside compressed data the marker's two bytes cannot occur.

    Raises:
        Failed: `truncated_pixels` when there is none.
    """
    end = stream.rfind(END_OF_IMAGE)
    padding = stream[end + 2 :]
    if end < 0 or (len(padding) > MAX_PADDING_BYTES and any(padding)):
        raise truncated("the compressed stream has no end marker")
    return end


def check_tile_parts(stream: bytes, offset: int) -> None:
    """Follow the declared lengths of tile-parts to the end of a JPEG 2000 codestream.

    Raises:
        Failed: `truncated_pixels` when a tile-part is longer than what is left of the stream.
    """
    position, size = offset + 2, len(stream)
    while position + 4 <= size:
        marker, length = struct.unpack_from(">HH", stream, position)
        if marker == START_OF_TILE_PART:
            break
        position += 2 + length
    while position + 12 <= size:
        marker, _, _, tile_length = struct.unpack_from(">HHHI", stream, position)
        if marker != START_OF_TILE_PART or tile_length == 0:  # 0: this tile-part lasts to the end
            return
        if tile_length < 12 or position + tile_length > size:
            raise truncated("a JPEG 2000 tile-part is longer than the stream")
        position += tile_length
