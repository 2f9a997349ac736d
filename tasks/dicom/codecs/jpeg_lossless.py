"""JPEG Lossless, Huffman coded (ITU-T T.81 annex H; processes 14 and 14 SV1).

The decoders in reach return a full picture for a stream that was cut short and given an end marker again,
and some misread restart intervals and point transforms. So those two are refused, and after decoding the bits
that the picture takes to encode are counted: they must be the bits that the stream holds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tasks.dicom.codecs.base import Codec, PixelFormat, Raw, truncated, undecodable
from tasks.dicom.codecs.markers import (
    HUFFMAN_TABLES,
    RESTART_INTERVAL,
    SOF_LOSSLESS,
    START_OF_SCAN,
    JpegHeader,
    check_size,
    end_of,
    jpeg_header,
)

# The last byte of a scan is filled up with ones, and some encoders add one more.
SPARE_BYTES = 2


def _decode(stream: bytes, form: PixelFormat, _reduce: int) -> Raw:
    import imagecodecs

    header = jpeg_header(stream)
    if header.process != SOF_LOSSLESS:
        raise undecodable(f"JPEG process SOF{header.process - 0xC0} is not the lossless one")
    check_size(header, form)
    end = end_of(stream)
    scan = header.segment(START_OF_SCAN)
    if len(scan) != 6 or scan[3] not in range(1, 8) or scan[5] & 0x0F:
        raise undecodable("a lossless JPEG scan with a point transform or without a predictor")
    if any(header.segment(RESTART_INTERVAL)):
        raise undecodable("lossless JPEG with restart intervals")
    try:
        picture = np.asarray(imagecodecs.ljpeg_decode(stream))
    except (imagecodecs.LjpegError, ValueError) as error:
        raise truncated(f"JPEG Lossless: {error}") from None
    _check_bits(stream[header.scan_offset : end], header, picture)
    return picture


def _check_bits(scan: bytes, header: JpegHeader, picture: npt.NDArray[np.integer]) -> None:
    """Compare the bits that encode `picture` with the bits of the scan.

    Raises:
        Failed: `truncated_pixels` when the scan is not what encodes this picture.
    """
    selector = header.segment(START_OF_SCAN)
    predictor, table = selector[3], selector[2] >> 4
    cost = _bits_by_difference(_code_lengths(header, table))
    needed = int(cost[_differences(picture, predictor, header.precision)].sum(dtype=np.int64))
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


def _bits_by_difference(code_lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Bits for every difference modulo 2**16: its category's code, and the category's extra bits."""
    signed = np.arange(1 << 16, dtype=np.int32)
    signed[1 << 15 :] -= 1 << 16
    category: npt.NDArray[np.int64] = np.ceil(np.log2(np.abs(signed) + 1)).astype(np.int64)
    extra = np.where(category == 16, 0, category)  # category 16 (a difference of 32768) has no extra bits
    bits: npt.NDArray[np.uint8] = (code_lengths[category] + extra).astype(np.uint8)
    return bits


def _code_lengths(header: JpegHeader, table: int) -> npt.NDArray[np.int64]:
    """Length of the Huffman code of each category, 0 to 16, from the DC table that the scan names."""
    lengths = np.zeros(17, np.int64)
    for marker, content in header.segments:
        position = 0
        while marker == HUFFMAN_TABLES and position + 17 <= len(content):
            counts = content[position + 1 : position + 17]
            symbols = content[position + 17 : position + 17 + sum(counts)]
            if content[position] == table:
                lengths[:] = 0
                each = [length for length, count in enumerate(counts, 1) for _ in range(count)]
                for symbol, length in zip(symbols, each, strict=False):
                    lengths[min(symbol, 16)] = length
            position += 17 + sum(counts)
    return lengths


JPEG_LOSSLESS = Codec("JPEG Lossless", "imagecodecs", "imagecodecs", _decode)
