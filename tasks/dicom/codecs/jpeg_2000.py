"""JPEG 2000 by OpenJPEG, and High-Throughput JPEG 2000 by OpenJPH; both can give a smaller picture."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from tasks.dicom.codecs.base import Codec, PixelFormat, Raw, truncated, undecodable
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
    except (imagecodecs.Jpeg2kError, ValueError) as error:
        raise truncated(f"JPEG 2000: {error}") from None


def _decode_reduced(stream: bytes, header: CodestreamHeader, reduce: int) -> Raw:
    """Through Pillow, which can leave resolutions out; it gives 16 bits, offset when they are signed."""
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

    _checked(stream, form)
    try:
        return np.asarray(imagecodecs.htj2k_decode(stream, skipres=reduce or None))
    except (imagecodecs.Htj2kError, ValueError) as error:
        raise truncated(f"HTJ2K: {error}") from None


JPEG_2000 = Codec("JPEG 2000", "imagecodecs", "imagecodecs", _decode, can_reduce=True)
HTJ2K = Codec("HTJ2K", "imagecodecs", "imagecodecs", _decode_high_throughput, can_reduce=True)
