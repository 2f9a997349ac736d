"""The transfer syntaxes that a generated archive is written in, and how each one's pixels are encoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

_RLE_HEADER_BYTES = 64

Encoder = Callable[[npt.NDArray[np.uint16]], bytes]


@dataclass(frozen=True, slots=True)
class Syntax:
    """A transfer syntax; `encode` turns a frame of 16 bits into a code stream, None leaves it raw."""

    uid: UID
    encode: Encoder | None = None


def _jpeg_lossless(pixels: npt.NDArray[np.uint16]) -> bytes:
    return bytes(imagecodecs.jpeg_encode(pixels, lossless=True, predictor=1, bitspersample=16))


def _jpeg_ls(pixels: npt.NDArray[np.uint16]) -> bytes:
    return bytes(imagecodecs.jpegls_encode(pixels))


def _jpeg2000(pixels: npt.NDArray[np.uint16]) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True))


def _htj2k(pixels: npt.NDArray[np.uint16]) -> bytes:
    return bytes(imagecodecs.htj2k_encode(pixels, reversible=True))


def _rle(pixels: npt.NDArray[np.uint16]) -> bytes:
    """Both bytes of the pixels as a segment each, the high one first, rows packed one by one (PS3.5, G)."""
    packed = [imagecodecs.packbits_encode((pixels >> shift).astype(np.uint8), axis=-1) for shift in (8, 0)]
    segments = [segment + b"\0" * (len(segment) % 2) for segment in packed]
    starts = (_RLE_HEADER_BYTES, _RLE_HEADER_BYTES + len(segments[0]))
    header = np.array([len(segments), *starts], "<u4").tobytes().ljust(_RLE_HEADER_BYTES, b"\0")
    return header + segments[0] + segments[1]


SYNTAXES: dict[str, Syntax] = {
    "implicit": Syntax(ImplicitVRLittleEndian),
    "explicit": Syntax(ExplicitVRLittleEndian),
    "big_endian": Syntax(ExplicitVRBigEndian),
    "deflated": Syntax(DeflatedExplicitVRLittleEndian),
    "rle": Syntax(RLELossless, _rle),
    "jpeg_lossless": Syntax(JPEGLosslessSV1, _jpeg_lossless),
    "jpeg_ls": Syntax(JPEGLSLossless, _jpeg_ls),
    "jpeg_2000": Syntax(JPEG2000Lossless, _jpeg2000),
    "htj2k": Syntax(HTJ2KLossless, _htj2k),
}
"""By the name that truth.parquet uses; all of them lossless."""


def set_pixels(
    dataset: FileDataset, stored: npt.NDArray[np.int16] | npt.NDArray[np.uint16], syntax: Syntax
) -> None:
    """Put one frame of stored values, shape (rows, columns), into a data set in a transfer syntax.

    Compressed frames carry all 16 bits as they are, signed values as their two's complement.
    """
    signed = stored.dtype.kind == "i"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = 16 if signed or syntax.encode else 12
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(signed)
    if syntax.encode is None:
        order = "little" if syntax.uid.is_little_endian else "big"
        wide = stored if order == "little" else stored.byteswap()
        dataset.PixelData = wide.tobytes()
        dataset["PixelData"].VR = "OW"
        return
    dataset.PixelData = encapsulate([syntax.encode(stored.view(np.uint16))])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
