"""JPEG-LS, lossless and near-lossless (ITU-T T.87)."""

from __future__ import annotations

import numpy as np

from tasks.dicom.codecs.base import DECODER_ERRORS, Codec, PixelFormat, Raw, truncated, undecodable
from tasks.dicom.codecs.markers import SOF_JPEG_LS, check_size, end_of, jpeg_header


def _decode(stream: bytes, form: PixelFormat, _reduce: int) -> Raw:
    import imagecodecs

    header = jpeg_header(stream)
    if header.process != SOF_JPEG_LS:
        raise undecodable("no JPEG-LS stream where one should be")
    check_size(header, form)
    end_of(stream)
    try:
        return np.asarray(imagecodecs.jpegls_decode(stream))
    except DECODER_ERRORS as error:
        raise truncated(f"JPEG-LS: {error}") from None


JPEG_LS = Codec("JPEG-LS", "imagecodecs", "imagecodecs", _decode)
