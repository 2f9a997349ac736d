"""JPEG 2000 by OpenJPEG, and High-Throughput JPEG 2000 by OpenJPH; both can be had at reduced size."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import numpy.typing as npt

from tasks.dicom.codecs.base import DECODER_ERRORS, Codec, PixelFormat, Raw, truncated, undecodable
from tasks.dicom.codecs.markers import (
    CodestreamHeader,
    check_size,
    check_tile_parts,
    codestream_header,
    end_of,
)


def _checked(stream: bytes, form: PixelFormat) -> CodestreamHeader:
    header = codestream_header(stream)
    check_size(header, form)
    end_of(stream)
    check_tile_parts(stream, header.offset)
    return header


def _decode(stream: bytes, form: PixelFormat, reduce: int) -> Raw:
    import imagecodecs

    header = _checked(stream, form)
    if reduce:
        return _decode_reduced(stream, header, reduce)
    try:
        return np.asarray(imagecodecs.jpeg2k_decode(stream))
    except DECODER_ERRORS as error:
        raise truncated(f"JPEG 2000: {error}") from None


def _decode_reduced(stream: bytes, header: CodestreamHeader, reduce: int) -> Raw:
    """Through Pillow, which can leave resolutions out; it gives 16 bits, offset when they are signed.

    OpenJPH could do it faster, but lets values wrap that overshoot the range at reduced size.
    """
    from PIL import Image, Jpeg2KImagePlugin

    try:
        image = Jpeg2KImagePlugin.Jpeg2KImageFile(BytesIO(stream))
        image.reduce = reduce
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise truncated(f"JPEG 2000: {error}") from None
    if image.mode not in ("I;16", "L"):
        raise undecodable(f"JPEG 2000 at reduced size as {image.mode}")
    values = np.asarray(image).astype(np.int32)
    depth = 16 if image.mode == "I;16" else 8
    values >>= depth - header.precision
    return values - (1 << (header.precision - 1)) if header.signed else values


def _decode_high_throughput(stream: bytes, form: PixelFormat, reduce: int) -> Raw:
    import imagecodecs

    header = _checked(stream, form)
    if reduce:
        return _decode_reduced(stream, header, reduce)
    # imagecodecs loses errors inside the last stage and hands back the rows that were there: the last row is
    # given a pattern that no picture has, and must be gone
    out = np.empty((form.rows, form.columns), _dtype_of(header))
    out[-1] = pattern = _pattern(form.columns).astype(out.dtype)
    try:
        picture = np.asarray(imagecodecs.htj2k_decode(stream, out=out))
    except DECODER_ERRORS as error:
        raise truncated(f"HTJ2K: {error}") from None
    if np.array_equal(picture[-1], pattern):
        raise truncated("HTJ2K: the stream ends or is damaged before the last row")
    return picture


def _dtype_of(header: CodestreamHeader) -> np.dtype[np.integer]:
    """The type in which imagecodecs returns samples of this precision."""
    kind = "i" if header.signed else "u"
    return np.dtype(f"{kind}{1 if header.precision <= 8 else 2}")


def _pattern(columns: int) -> npt.NDArray[np.int64]:
    """A row of pseudorandom bits, the same for each width."""
    return np.random.default_rng(columns).integers(0, 1 << 16, columns)


JPEG_2000 = Codec("JPEG 2000", "imagecodecs", "imagecodecs", _decode, can_reduce=True)
HTJ2K = Codec("HTJ2K", "imagecodecs", "imagecodecs", _decode_high_throughput, can_reduce=True)
