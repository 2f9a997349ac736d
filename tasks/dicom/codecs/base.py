"""What all decoders share: the format that a header promises, a codec's entry, and the two ways to fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from tasks.dicom.instance import Instance
from tasks.outcomes import Failed, Reason

Stored = npt.NDArray[np.int16] | npt.NDArray[np.uint16]
Raw = npt.NDArray[np.integer]

# What imagecodecs raises on streams that it cannot decode: its own errors are RuntimeErrors.
DECODER_ERRORS = (RuntimeError, ValueError, TypeError, OverflowError, MemoryError)
# More rows or columns than this are not believed: CT is 512 or 1024, and 4096 is the largest detector.
MAX_SIDE = 4096


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How one frame's pixels are stored, as the header says it.

    Raises:
        Failed: `undecodable_pixels` when this is no format of a CT, whatever the pixels say.
    """

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool

    def __post_init__(self) -> None:
        if not (0 < self.rows <= MAX_SIDE and 0 < self.columns <= MAX_SIDE):
            raise undecodable(f"the header claims {self.rows} × {self.columns} pixels")
        if self.bits_allocated not in (8, 16):
            raise undecodable(f"{self.bits_allocated} bits allocated; CT has 8 or 16")
        if not 0 < self.bits_stored <= self.high_bit + 1 <= self.bits_allocated:
            raise undecodable(
                f"{self.bits_stored} bits stored up to bit {self.high_bit} of {self.bits_allocated}"
            )

    @classmethod
    def of(cls, instance: Instance) -> PixelFormat:
        """The format that an instance's header describes."""
        if instance.samples_per_pixel != 1:
            raise undecodable(f"{instance.samples_per_pixel} samples a pixel; CT has one")
        high_bit = instance.high_bit if instance.high_bit is not None else instance.bits_stored - 1
        return cls(
            rows=instance.rows,
            columns=instance.columns,
            bits_allocated=instance.bits_allocated,
            bits_stored=instance.bits_stored,
            high_bit=high_bit,
            signed=instance.pixel_representation == 1,
        )

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed frame."""
        return self.rows * self.columns * self.bits_allocated // 8


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to decode some transfer syntaxes.

    Attributes:
        name: of the codec.
        package: what to install when it is missing; empty when it is part of osteoscreen.
        module: what must be importable for it.
        decode: one frame's bytes → array (rows, columns) of the values in the stream, not yet masked or
            sign-extended. `reduce` halves the resolution that many times. Raises Failed.
        can_reduce: whether `reduce` may be other than 0.
    """

    name: str
    package: str
    module: str
    decode: Callable[[bytes, PixelFormat, int], Raw]
    can_reduce: bool = False

    @property
    def is_available(self) -> bool:
        """Whether it can be used here."""
        return not self.module or find_spec(self.module) is not None


def undecodable(detail: str) -> Failed:
    """The pixels are in a form that no decoder here reads."""
    return Failed(Reason.UNDECODABLE_PIXELS, detail)


def truncated(detail: str) -> Failed:
    """The pixels end before the image does."""
    return Failed(Reason.TRUNCATED_PIXELS, detail)


def to_stored(raw: Raw, form: PixelFormat) -> Stored:
    """The stored pixel values: bits above `high_bit` (overlays) removed, the sign extended from its bit.

    Args:
        raw: values as a stream holds them.
        form: the header's promise.

    Returns:
        An array of the same shape, int16 when the header says signed, else uint16.
    """
    if not form.signed and raw.dtype.kind == "i" and raw.size and int(raw.min()) < 0:
        raise undecodable("the stream holds negative values, the header says there are none")
    words = raw.astype(np.uint16)  # modulo 2**16: keeps the bits, whatever the sign
    spare = 16 - form.bits_stored
    shift = form.high_bit + 1 - form.bits_stored
    if form.signed:
        left = spare - shift
        signed = (words << np.uint16(left)).view(np.int16) if left else words.view(np.int16)
        return signed >> np.int16(spare) if spare else signed
    if shift:
        words = words >> np.uint16(shift)
    return words & np.uint16(0xFFFF >> spare) if spare else words
