"""From the raw bytes of header elements to the typed fields of an `Instance`.

A value that is absent or cannot be read becomes None (or an empty string); nothing is guessed.
"""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Mapping

from pydicom.charset import convert_encodings, decode_bytes

from tasks.dicom.instance import Frame, Identity, Instance
from tasks.dicom.stack import Orientation, Vector
from tasks.dicom.tags import Encoding, walk
from tasks.dicom.uids import plain_uid

SPECIFIC_CHARACTER_SET = 0x00080005
IMAGE_TYPE = 0x00080008
SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
STUDY_DATE = 0x00080020
ACCESSION_NUMBER = 0x00080050
MODALITY = 0x00080060
MANUFACTURER = 0x00080070
INSTITUTION_NAME = 0x00080080
STUDY_DESCRIPTION = 0x00081030
SERIES_DESCRIPTION = 0x0008103E
MODEL_NAME = 0x00081090
PATIENT_NAME = 0x00100010
PATIENT_ID = 0x00100020
ISSUER_OF_PATIENT_ID = 0x00100021
BIRTH_DATE = 0x00100030
SEX = 0x00100040
AGE = 0x00101010
PATIENT_SIZE = 0x00101020
CONTRAST_AGENT = 0x00180010
CONTRAST_AGENT_SEQUENCE = 0x00180012
BODY_PART = 0x00180015
SLICE_THICKNESS = 0x00180050
KVP = 0x00180060
RECONSTRUCTION_DIAMETER = 0x00181100
GANTRY_TILT = 0x00181120
KERNEL = 0x00181210
PATIENT_POSITION = 0x00185100
STUDY_UID = 0x0020000D
SERIES_UID = 0x0020000E
SERIES_NUMBER = 0x00200011
ACQUISITION_NUMBER = 0x00200012
INSTANCE_NUMBER = 0x00200013
IMAGE_POSITION = 0x00200032
IMAGE_ORIENTATION = 0x00200037
FRAME_OF_REFERENCE_UID = 0x00200052
SLICE_LOCATION = 0x00201041
SAMPLES_PER_PIXEL = 0x00280002
PHOTOMETRIC = 0x00280004
NUMBER_OF_FRAMES = 0x00280008
ROWS = 0x00280010
COLUMNS = 0x00280011
PIXEL_SPACING = 0x00280030
BITS_ALLOCATED = 0x00280100
BITS_STORED = 0x00280101
HIGH_BIT = 0x00280102
PIXEL_REPRESENTATION = 0x00280103
PADDING_VALUE = 0x00280120
PADDING_LIMIT = 0x00280121
RESCALE_INTERCEPT = 0x00281052
RESCALE_SLOPE = 0x00281053
RESCALE_TYPE = 0x00281054
MODALITY_LUT_SEQUENCE = 0x00283000

SHARED_GROUPS = 0x52009229
PER_FRAME_GROUPS = 0x52009230

WANTED = frozenset(value for name, value in list(globals().items()) if name.isupper())

# An image with more planes than this is not a CT that fits into a night; its frames are not listed.
MAX_FRAMES = 20_000
# Code meaning, looked for inside items of sequences only.
CODE_MEANING = 0x00080104
# Characters that reset the character set of a text (PS3.5 section 6.1.2.5.3).
_DELIMITERS = set(b"\r\n\f\t\\^=")
ITEM_HEADER_BYTES = 8
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"


class Fields:
    """The raw values of one header, read as the types that their elements have."""

    def __init__(self, values: Mapping[int, bytes], encoding: Encoding) -> None:
        self._values = values
        self._encoding = encoding
        self._order = encoding.order

    def __contains__(self, tag: int) -> bool:
        return bool(self._values.get(tag))

    def ascii(self, tag: int) -> str:
        """A code string, UID, date or age: what is not ASCII in it is dropped."""
        return self._values.get(tag, b"").decode("ascii", "ignore").strip(" \0")

    def uid(self, tag: int) -> str:
        """A UID of digits and dots, as `plain_uid` makes it of whatever stands there."""
        return plain_uid(self._values.get(tag, b""))

    def text(self, tag: int) -> str:
        """Text in the header's character set; bytes that it cannot explain become U+FFFD."""
        raw = self._values.get(tag, b"")
        if raw.isascii() and b"\x1b" not in raw:
            return raw.decode("ascii").strip(" \0")
        try:
            return decode_bytes(raw, self._character_sets(), _DELIMITERS).strip(" \0")
        except (UnicodeError, LookupError, ValueError):
            return raw.decode("utf-8", "replace").strip(" \0")

    def numbers(self, tag: int) -> tuple[float, ...]:
        """A decimal string's values; empty when one of them is no finite number."""
        text = self.ascii(tag)
        if not text:
            return ()
        try:
            values = tuple(float(part) for part in text.split("\\"))
        except ValueError:
            return ()
        return values if all(map(math.isfinite, values)) else ()

    def number(self, tag: int) -> float | None:
        """The first value of a decimal string."""
        values = self.numbers(tag)
        return values[0] if values else None

    def integer(self, tag: int) -> int | None:
        """An integer string."""
        value = self.number(tag)
        return int(value) if value is not None else None

    def unsigned(self, tag: int) -> int | None:
        """A US element."""
        raw = self._values.get(tag, b"")
        return int(struct.unpack_from(self._order + "H", raw)[0]) if len(raw) >= 2 else None

    def stored(self, tag: int, pixel_representation: int) -> int | None:
        """A US or SS element that holds a stored pixel value, read as pixels are."""
        raw = self._values.get(tag, b"")
        kind = "h" if pixel_representation else "H"
        return int(struct.unpack_from(self._order + kind, raw)[0]) if len(raw) >= 2 else None

    def in_sequence(self, sequence: int, tag: int) -> str:
        """The text of an element in the first item of a sequence; empty when there is none."""
        raw = self._values.get(sequence, b"")
        if not raw:
            return ""
        inner = walk(raw, ITEM_HEADER_BYTES, len(raw), self._encoding, {tag})
        return inner.values.get(tag, b"").decode("ascii", "replace").strip(" \0")

    def _character_sets(self) -> list[str]:
        names = self.ascii(SPECIFIC_CHARACTER_SET).split("\\")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return list(convert_encodings(names))
        except (LookupError, ValueError):
            return ["latin_1"]


def instance_from(
    fields: Fields,
    *,
    source: str,
    size_bytes: int,
    transfer_syntax_uid: str,
    content_token: str,
    pixel_offset: int | None,
    pixel_length: int | None,
    problem: str,
) -> Instance:
    """The `Instance` that a header describes."""
    ascii_, text, number, unsigned = fields.ascii, fields.text, fields.number, fields.unsigned
    signed = unsigned(PIXEL_REPRESENTATION) or 0
    bits_allocated = unsigned(BITS_ALLOCATED) or 16
    spacing = fields.numbers(PIXEL_SPACING)
    return Instance(
        source=source,
        size_bytes=size_bytes,
        study_uid=fields.uid(STUDY_UID),
        series_uid=fields.uid(SERIES_UID),
        sop_instance_uid=fields.uid(SOP_INSTANCE_UID),
        sop_class_uid=fields.uid(SOP_CLASS_UID),
        transfer_syntax_uid=transfer_syntax_uid,
        content_token=content_token,
        identity=Identity(
            patient_id=text(PATIENT_ID),
            issuer=text(ISSUER_OF_PATIENT_ID),
            name=text(PATIENT_NAME),
            birth_date=ascii_(BIRTH_DATE),
            accession_number=text(ACCESSION_NUMBER),
        ),
        modality=ascii_(MODALITY).upper(),
        image_type=tuple(part.strip() for part in ascii_(IMAGE_TYPE).split("\\") if part.strip()),
        study_date=ascii_(STUDY_DATE),
        study_description=text(STUDY_DESCRIPTION),
        series_description=text(SERIES_DESCRIPTION),
        body_part=ascii_(BODY_PART),
        series_number=fields.integer(SERIES_NUMBER),
        acquisition_number=fields.integer(ACQUISITION_NUMBER),
        instance_number=fields.integer(INSTANCE_NUMBER),
        frame_of_reference_uid=fields.uid(FRAME_OF_REFERENCE_UID),
        sex=ascii_(SEX),
        age_text=ascii_(AGE),
        patient_height_m=number(PATIENT_SIZE),
        patient_position=ascii_(PATIENT_POSITION),
        manufacturer=text(MANUFACTURER),
        scanner_model=text(MODEL_NAME),
        site=text(INSTITUTION_NAME),
        kvp=number(KVP),
        kernel=text(KERNEL),
        contrast_agent=text(CONTRAST_AGENT) or fields.in_sequence(CONTRAST_AGENT_SEQUENCE, CODE_MEANING),
        gantry_tilt_deg=number(GANTRY_TILT),
        slice_thickness_mm=number(SLICE_THICKNESS),
        slice_location_mm=number(SLICE_LOCATION),
        reconstruction_diameter_mm=number(RECONSTRUCTION_DIAMETER),
        pixel_spacing_mm=(spacing[0], spacing[1]) if len(spacing) == 2 else None,
        rows=unsigned(ROWS) or 0,
        columns=unsigned(COLUMNS) or 0,
        frames=_plain_frames(fields),
        bits_allocated=bits_allocated,
        bits_stored=unsigned(BITS_STORED) or bits_allocated,
        high_bit=unsigned(HIGH_BIT),
        pixel_representation=signed,
        samples_per_pixel=unsigned(SAMPLES_PER_PIXEL) or 1,
        photometric=ascii_(PHOTOMETRIC) or "MONOCHROME2",
        rescale_type=ascii_(RESCALE_TYPE),
        padding_value=fields.stored(PADDING_VALUE, signed),
        padding_limit=fields.stored(PADDING_LIMIT, signed),
        pixel_offset=pixel_offset,
        pixel_length=pixel_length,
        problem=problem or _problem(fields),
    )


def _plain_frames(fields: Fields) -> tuple[Frame, ...]:
    """One frame for a classic image; as many without a place as a plain multi-frame image has."""
    count = fields.integer(NUMBER_OF_FRAMES) or 1
    if count > 1:
        return (Frame(None, None),) * count if count <= MAX_FRAMES else ()
    position, orientation = fields.numbers(IMAGE_POSITION), fields.numbers(IMAGE_ORIENTATION)
    slope, intercept = fields.number(RESCALE_SLOPE), fields.number(RESCALE_INTERCEPT)
    return (
        Frame(
            position_mm=as_vector(position),
            orientation=as_orientation(orientation),
            slope=1.0 if slope is None else slope,
            intercept=0.0 if intercept is None else intercept,
        ),
    )


def as_vector(numbers: tuple[float, ...]) -> Vector | None:
    """Three numbers, or None."""
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None


def as_orientation(numbers: tuple[float, ...]) -> Orientation | None:
    """Six numbers, or None."""
    if len(numbers) != 6:
        return None
    a, b, c, d, e, f = numbers
    return a, b, c, d, e, f


def _problem(fields: Fields) -> str:
    """What makes the values of a CT image unusable although the header could be read."""
    if fields.ascii(SOP_CLASS_UID) != CT_IMAGE_STORAGE:
        return ""
    if MODALITY_LUT_SEQUENCE in fields:
        return "a modality lookup table instead of a linear rescale"
    if fields.number(RESCALE_SLOPE) is None or fields.number(RESCALE_INTERCEPT) is None:
        return "no rescale slope and intercept, so no Hounsfield units"
    return ""
