"""JPEG Lossless, Huffman coded (ITU-T T.81 annex H; processes 14 and 14 SV1).

The decoders in reach return a full picture for a stream that was cut short and given an end marker again,
and some misread restart intervals and point transforms. So those two are refused, and after decoding the bits
that the picture takes to encode are counted: they must be the bits that the stream holds.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from tasks.dicom.codecs.base import DECODER_ERRORS, Codec, PixelFormat, Raw, truncated, undecodable
from tasks.dicom.codecs.markers import (
    END_OF_IMAGE,
    HUFFMAN_TABLES,
    RESTART_INTERVAL,
    SOF_LOSSLESS,
    START_OF_IMAGE,
    START_OF_SCAN,
    JpegHeader,
    check_size,
    end_of,
    jpeg_header,
)

# The last byte of a scan is filled up with ones, and some encoders add one more.
SPARE_BYTES = 2
# Stands for the code of a category that has none: so long that no picture with it passes the count.
NO_CODE = 200


def _decode(stream: bytes, form: PixelFormat, _reduce: int) -> Raw:
    import imagecodecs

    header = jpeg_header(stream)
    if header.process != SOF_LOSSLESS:
        raise undecodable(f"JPEG process SOF{header.process - 0xC0} is not the lossless one")
    check_size(header, form)
    end = end_of(stream)
    selector = header.segment(START_OF_SCAN)
    if len(selector) != 6 or selector[0] != 1 or selector[3] not in _PREDICTORS or selector[5] & 0x0F:
        raise undecodable("a lossless JPEG scan with a point transform or without a predictor")
    if any(header.segment(RESTART_INTERVAL)):
        raise undecodable("lossless JPEG with restart intervals")
    lengths = _code_lengths(header, selector[2] >> 4)
    scan = stream[header.scan_offset : end]
    try:
        picture = np.asarray(imagecodecs.ljpeg_decode(_rewritten(header, lengths, scan)))
    except DECODER_ERRORS as error:
        raise truncated(f"JPEG Lossless: {error}") from None
    _check_bits(scan, _differences(picture, selector[3], header.precision), lengths)
    return picture


def _rewritten(header: JpegHeader, lengths: Mapping[int, int], scan: bytes) -> bytes:
    """The stream with a header of our own: the decoder crashes on damaged tables and must not see them."""
    counts = bytes(list(lengths.values()).count(length) for length in range(1, 17))
    frame = struct.pack(">BHHB3B", header.precision, header.rows, header.columns, 1, 1, 0x11, 0)
    selector = bytes([1, 1, 0, header.segment(START_OF_SCAN)[3], 0, 0])
    segments = (
        (SOF_LOSSLESS, frame),
        (HUFFMAN_TABLES, b"\0" + counts + bytes(lengths)),
        (START_OF_SCAN, selector),
    )
    written = b"".join(struct.pack(">BBH", 0xFF, kind, len(body) + 2) + body for kind, body in segments)
    return START_OF_IMAGE + written + scan + END_OF_IMAGE


def _check_bits(scan: bytes, differences: npt.NDArray[np.uint16], lengths: Mapping[int, int]) -> None:
    """Compare the bits that encode a picture with the bits of the scan.

    Raises:
        Failed: `truncated_pixels` when the scan is not what encodes this picture.
    """
    needed = int(_bits_by_difference(lengths)[differences].sum(dtype=np.int64))
    held = len(scan) - scan.count(b"\xff\x00")
    if not needed <= 8 * held <= needed + 8 * SPARE_BYTES:
        raise truncated(f"JPEG Lossless: the picture takes {needed} bits, the stream holds {8 * held}")


def _differences(picture: npt.NDArray[np.integer], predictor: int, precision: int) -> npt.NDArray[np.uint16]:
    """What is left of each pixel after prediction (T.81 table H.1), modulo 2**16."""
    p = picture.astype(np.int32)
    predicted = np.empty_like(p)
    predicted[0, 0] = 1 << (precision - 1)
    predicted[0, 1:] = p[0, :-1]
    predicted[1:, 0] = p[:-1, 0]
    left, above, corner = p[1:, :-1], p[:-1, 1:], p[:-1, :-1]
    predicted[1:, 1:] = _PREDICTORS[predictor](left, above, corner)
    return (p - predicted).astype(np.uint16)


Plane = npt.NDArray[np.int32]
_PREDICTORS: dict[int, Callable[[Plane, Plane, Plane], Plane]] = {
    1: lambda left, _above, _corner: left,
    2: lambda _left, above, _corner: above,
    3: lambda _left, _above, corner: corner,
    4: lambda left, above, corner: left + above - corner,
    5: lambda left, above, corner: left + ((above - corner) >> 1),
    6: lambda left, above, corner: above + ((left - corner) >> 1),
    7: lambda left, above, _corner: (left + above) >> 1,
}


def _bits_by_difference(lengths: Mapping[int, int]) -> npt.NDArray[np.uint8]:
    """Bits for every difference modulo 2**16: its category's code, and the category's extra bits."""
    # category 16 (a difference of 32768) has no extra bits, a category without a code cannot be in a scan
    code = np.array([lengths.get(k, NO_CODE) + (k if k < 16 else 0) for k in range(17)], np.uint8)
    return code[_categories()]


@cache
def _categories() -> npt.NDArray[np.int64]:
    """The category (T.81 table H.2) of every difference modulo 2**16: bits of its absolute value."""
    signed = np.arange(1 << 16, dtype=np.int32)
    signed[1 << 15 :] -= 1 << 16
    category: npt.NDArray[np.int64] = np.ceil(np.log2(np.abs(signed) + 1)).astype(np.int64)
    return category


def _code_lengths(header: JpegHeader, table: int) -> dict[int, int]:
    """Length of the Huffman code of each category, in the order of the codes, from the table the scan names.

    Raises:
        Failed: `undecodable_pixels` when the table is missing or is no prefix code.
    """
    lengths: dict[int, int] = {}
    for marker, content in header.segments:
        position = 0
        while marker == HUFFMAN_TABLES and position + 17 <= len(content):
            counts = content[position + 1 : position + 17]
            symbols = content[position + 17 : position + 17 + sum(counts)]
            if content[position] == table:
                each = [length for length, count in enumerate(counts, 1) for _ in range(count)]
                lengths = dict(zip(symbols, each, strict=False))
                if len(lengths) != len(each) or max(lengths, default=0) > 16:
                    raise undecodable("a damaged Huffman table")
            position += 17 + sum(counts)
    if not lengths or sum(2.0**-length for length in lengths.values()) > 1:
        raise undecodable("a missing or damaged Huffman table")
    return lengths


JPEG_LOSSLESS = Codec("JPEG Lossless", "imagecodecs", "imagecodecs", _decode)
