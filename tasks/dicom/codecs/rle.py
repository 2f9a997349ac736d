"""RLE Lossless (PS3.5 annex G): byte planes in PackBits, the most significant first."""

from __future__ import annotations

import struct

import numpy as np

from tasks.dicom.codecs.base import DECODER_ERRORS, Codec, PixelFormat, Raw, truncated, undecodable

HEADER_BYTES = 64
# A run of zeros is coded in two bytes, so an encoder leaves no more zeros at the end than padding; a file
# that was only set aside does, and would decode without complaint.
MAX_TRAILING_ZEROS = 16


def _decode(stream: bytes, form: PixelFormat, _reduce: int) -> Raw:
    import imagecodecs

    _check_segments(stream, form)
    kind = np.dtype(np.uint8) if form.bits_allocated == 8 else np.dtype("<u2")
    try:
        plane = imagecodecs.dicomrle_decode(stream, kind)
    except DECODER_ERRORS as error:
        raise truncated(f"RLE: {error}") from None
    if len(plane) < form.frame_bytes:
        raise truncated(f"RLE: {len(plane)} of {form.frame_bytes} bytes")
    values: Raw = np.frombuffer(plane, kind, form.rows * form.columns)
    return values.reshape(form.rows, form.columns)


def _check_segments(stream: bytes, form: PixelFormat) -> None:
    if len(stream) < HEADER_BYTES:
        raise truncated("RLE: the stream is shorter than its header")
    count, *offsets = struct.unpack_from("<16I", stream)
    if count != form.bits_allocated // 8:
        raise undecodable(f"RLE: {count} segments for {form.bits_allocated} bits")
    starts = offsets[:count]
    if starts != sorted(starts) or starts[0] < HEADER_BYTES:
        raise undecodable("RLE: segment offsets make no sense")
    if starts[-1] >= len(stream):
        raise truncated("RLE: a segment begins after the end")
    if not any(stream[-MAX_TRAILING_ZEROS:]):
        raise truncated("RLE: zeros where the last segment should end")


RLE = Codec("RLE", "imagecodecs", "imagecodecs", _decode)
