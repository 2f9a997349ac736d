"""Uncompressed pixels, little or big endian."""

from __future__ import annotations

import numpy as np

from tasks.dicom.codecs.base import Codec, PixelFormat, Raw, truncated


def _decode(stream: bytes, form: PixelFormat, byte_order: str) -> Raw:
    if len(stream) < form.frame_bytes:
        raise truncated(f"{len(stream)} of {form.frame_bytes} bytes")
    kind = np.dtype(np.uint8) if form.bits_allocated == 8 else np.dtype(byte_order + "u2")
    return np.frombuffer(stream, kind, form.rows * form.columns).reshape(form.rows, form.columns)


LITTLE = Codec("little endian", "", "", lambda stream, form, _: _decode(stream, form, "<"))
BIG = Codec("big endian", "", "", lambda stream, form, _: _decode(stream, form, ">"))
