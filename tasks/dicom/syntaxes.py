"""The table of transfer syntaxes: how each is decoded, or why it is refused; and `decode_frame`.

Lossy syntaxes are decoded where the decoder says when data are missing (near-lossless JPEG-LS, JPEG 2000).
Lossy JPEG is refused: its decoders fill what is missing with grey and say nothing, and its 8-bit form rounds
attenuation to 32 HU in the files we have seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tasks.dicom.codecs.base import Codec, PixelFormat, Stored, to_stored, undecodable
from tasks.dicom.codecs.jpeg_2000 import HTJ2K, JPEG_2000
from tasks.dicom.codecs.jpeg_lossless import JPEG_LOSSLESS
from tasks.dicom.codecs.jpeg_ls import JPEG_LS
from tasks.dicom.codecs.plugins import plugin
from tasks.dicom.codecs.rle import RLE
from tasks.dicom.codecs.uncompressed import BIG, LITTLE


@dataclass(frozen=True, slots=True)
class Syntax:
    """One transfer syntax.

    Attributes:
        uid, name: from PS3.6 annex A.
        codecs: the ways to decode it, the preferred first; empty when it is refused.
        encapsulated: whether pixels lie in fragments.
        deflated: whether the whole data set is compressed.
        why_not: why it is refused.
    """

    uid: str
    name: str
    codecs: tuple[Codec, ...] = ()
    encapsulated: bool = True
    deflated: bool = False
    why_not: str = ""

    @property
    def codec(self) -> Codec:
        """The first codec that is available.

        Raises:
            Failed: `undecodable_pixels`, naming what to install.
        """
        if not self.codecs:
            raise undecodable(f"{self.name} ({self.uid}): {self.why_not}")
        for codec in self.codecs:
            if codec.is_available:
                return codec
        packages = " or ".join(codec.package for codec in self.codecs)
        raise undecodable(f"{self.name} ({self.uid}) needs a decoder: pip install {packages}")


def _jpeg_2000(uid: str, name: str) -> Syntax:
    return Syntax(uid, name, (JPEG_2000, plugin(uid, "openjpeg", "pylibjpeg-openjpeg")))


def _htj2k(uid: str, name: str) -> Syntax:
    return Syntax(uid, name, (HTJ2K, plugin(uid, "openjpeg", "pylibjpeg-openjpeg")))


def _jpeg_lossless(uid: str, name: str) -> Syntax:
    return Syntax(uid, name, (JPEG_LOSSLESS, plugin(uid, "libjpeg", "pylibjpeg-libjpeg")))


def _jpeg_ls(uid: str, name: str) -> Syntax:
    return Syntax(uid, name, (JPEG_LS, plugin(uid, "jpeg_ls", "pyjpegls")))


_UID = re.compile(r"[0-9.]{1,64}")
_LOSSY_JPEG = "lossy JPEG does not keep attenuation, and its decoders do not say when data are missing"
_RETIRED = "retired in 2001; no decoder of ours reads it"

_ALL = (
    Syntax("1.2.840.10008.1.2", "Implicit VR Little Endian", (LITTLE,), encapsulated=False),
    Syntax("1.2.840.10008.1.2.1", "Explicit VR Little Endian", (LITTLE,), encapsulated=False),
    Syntax(
        "1.2.840.10008.1.2.1.99",
        "Deflated Explicit VR Little Endian",
        (LITTLE,),
        encapsulated=False,
        deflated=True,
    ),
    Syntax("1.2.840.10008.1.2.2", "Explicit VR Big Endian", (BIG,), encapsulated=False),
    Syntax("1.2.840.10008.1.2.5", "RLE Lossless", (RLE,)),
    Syntax("1.2.840.10008.1.2.4.50", "JPEG Baseline (Process 1)", why_not=_LOSSY_JPEG),
    Syntax("1.2.840.10008.1.2.4.51", "JPEG Extended (Process 2 and 4)", why_not=_LOSSY_JPEG),
    Syntax("1.2.840.10008.1.2.4.53", "JPEG Spectral Selection (Process 6 and 8)", why_not=_RETIRED),
    Syntax("1.2.840.10008.1.2.4.55", "JPEG Full Progression (Process 10 and 12)", why_not=_RETIRED),
    _jpeg_lossless("1.2.840.10008.1.2.4.57", "JPEG Lossless (Process 14)"),
    _jpeg_lossless("1.2.840.10008.1.2.4.70", "JPEG Lossless SV1 (Process 14, predictor 1)"),
    _jpeg_ls("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless"),
    _jpeg_ls("1.2.840.10008.1.2.4.81", "JPEG-LS Near-lossless"),
    _jpeg_2000("1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless"),
    _jpeg_2000("1.2.840.10008.1.2.4.91", "JPEG 2000"),
    _htj2k("1.2.840.10008.1.2.4.201", "HTJ2K Lossless"),
    _htj2k("1.2.840.10008.1.2.4.202", "HTJ2K Lossless RPCL"),
    _htj2k("1.2.840.10008.1.2.4.203", "HTJ2K"),
)
SYNTAXES: dict[str, Syntax] = {syntax.uid: syntax for syntax in _ALL}


def syntax_of(uid: str) -> Syntax:
    """The table's entry for a transfer syntax; one that is refused when the table has none."""
    shown = uid if _UID.fullmatch(uid) else "malformed"  # a header may hold anything, and this is printed
    return SYNTAXES.get(uid) or Syntax(shown, "unknown transfer syntax", why_not="not known to osteoscreen")


def decode_frame(stream: bytes, transfer_syntax_uid: str, form: PixelFormat, reduce: int = 0) -> Stored:
    """Decode one frame.

    Args:
        stream: the frame's bytes: its fragments joined, or rows × columns stored values.
        transfer_syntax_uid: how they are encoded.
        form: what the header promises; a stream that says otherwise is refused before it is decoded.
        reduce: halve the resolution this many times, where the codec can (`can_reduce` in the table).

    Returns:
        Stored values, shape (rows, columns) or with `reduce` the sizes divided by 2**reduce and rounded up;
        int16 when signed, else uint16.

    Raises:
        Failed: `undecodable_pixels` or `truncated_pixels`.
        ValueError: `reduce` for a codec that cannot.
    """
    codec = syntax_of(transfer_syntax_uid).codec
    if reduce and not codec.can_reduce:
        raise ValueError(f"{codec.name} has no reduced resolution")
    raw = codec.decode(stream, form, reduce)
    expected = tuple(-(-side // (1 << reduce)) for side in (form.rows, form.columns))
    if raw.shape != expected:
        raise undecodable(f"{codec.name} gave {raw.shape}, the header says {expected}")
    return to_stored(raw, form)
