"""Headers that the tag walker leaves to pydicom: odd encodings, and the functional groups of enhanced images.

pydicom raises many kinds of exception on damaged input; here they all become `Unreadable`.
"""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.dataelem import DataElement
from pydicom.filereader import read_dataset

from tasks.dicom.fields import MAX_FRAMES, as_orientation, as_vector
from tasks.dicom.instance import Frame, Instance
from tasks.dicom.tags import FIRST_PIXEL_TAG, LONG_VRS, PIXEL_DATA, UNDEFINED_LENGTH, Encoding, End, Walk


class Unreadable(Exception):  # noqa: N818 - an outcome that callers turn into a result
    """pydicom could not make sense of the bytes."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What pydicom made of a file.

    Attributes:
        walk: values, end and pixel place, as the tag walker would have given them.
        encoding: how the data set was written, whatever the file meta information says.
        transfer_syntax_uid: as written; empty when absent.
        dataset: the data set itself, without pixels.
    """

    walk: Walk
    encoding: Encoding
    transfer_syntax_uid: str
    dataset: Dataset


@contextmanager
def damaged_input_as_unreadable() -> Iterator[None]:
    """Turn whatever pydicom raises on damaged input into `Unreadable`, and silence its warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Unreadable:
        raise
    except Exception as error:  # noqa: BLE001 - pydicom's failures on hostile bytes have no common base
        raise Unreadable(type(error).__name__) from None


def read_file(buffer: bytes, size: int, wanted: Container[int]) -> Reading:
    """Read the header at the start of a file of `size` bytes, with or without a preamble.

    Raises:
        Unreadable: the bytes are no DICOM that pydicom understands.
    """
    with damaged_input_as_unreadable():
        stream = BytesIO(buffer)
        dataset = dcmread(stream, stop_before_pixels=True, force=True)
        implicit, little = dataset.original_encoding
        encoding = Encoding(explicit=not implicit, big_endian=not little)
        found = _walk_of(dataset, wanted, buffer, stream.tell(), size, encoding)
        meta = getattr(dataset, "file_meta", Dataset())
        return Reading(found, encoding, str(meta.get("TransferSyntaxUID", "")), dataset)


def read_data_set(buffer: bytes, start: int, encoding: Encoding) -> Dataset:
    """The data set that starts at `start`, up to its pixels.

    Raises:
        Unreadable: the bytes are no DICOM that pydicom understands.
    """
    with damaged_input_as_unreadable():
        return read_dataset(
            BytesIO(buffer[start:]),
            is_implicit_VR=not encoding.explicit,
            is_little_endian=not encoding.big_endian,
            stop_when=lambda tag, _vr, _length: int(tag) >= FIRST_PIXEL_TAG,
        )


def _walk_of(
    dataset: Dataset, wanted: Container[int], buffer: bytes, position: int, size: int, encoding: Encoding
) -> Walk:
    values: dict[int, bytes] = {}
    for tag in dataset.keys():  # noqa: SIM118 - iterating a Dataset would convert every element
        if int(tag) in wanted:
            item = dataset.get_item(tag)
            value = None if isinstance(item, DataElement) else item.value if item else None
            # a sequence that was already parsed has no raw bytes: that it is there is enough
            values[int(tag)] = value if isinstance(value, bytes) else b""
    found = Walk(values=values, position=position, end=End.FILE if position == size else End.CUT)
    if len(buffer) < size and position + 12 > len(buffer):
        found.end, found.needed = End.NEEDS_MORE, position + 12
    elif position + 12 <= len(buffer):
        group, element = struct.unpack_from(encoding.order + "HH", buffer, position)
        if group << 16 | element == PIXEL_DATA:
            _place_pixels(found, buffer, position, encoding)
    return found


def _place_pixels(found: Walk, buffer: bytes, position: int, encoding: Encoding) -> None:
    # judged by what stands there: some files mix explicit and implicit VR
    length_at = position + (8 if buffer[position + 4 : position + 6] in LONG_VRS else 4)
    (length,) = struct.unpack_from(encoding.order + "I", buffer, length_at)
    found.end = End.PIXELS
    found.pixel_offset = length_at + 4
    found.pixel_length = None if length == UNDEFINED_LENGTH else length


def with_functional_groups(instance: Instance, dataset: Dataset) -> Instance:
    """An enhanced multi-frame instance with one `Frame` per item of its per-frame functional groups.

    Position, orientation, rescale, spacing and thickness come from the frame's own groups or else from the
    shared ones. Spacing and thickness are those of the first frame; frames that differ in them, or that lack
    a rescale, make the instance unusable, which `problem` then says.
    """
    try:
        with damaged_input_as_unreadable():
            return _with_functional_groups(instance, dataset)
    except Unreadable as unreadable:
        return replace(instance, frames=(), problem=f"functional groups cannot be read ({unreadable})")


def _with_functional_groups(instance: Instance, dataset: Dataset) -> Instance:
    shared = _first_item(dataset, "SharedFunctionalGroupsSequence")
    items = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    if not 0 < len(items) <= MAX_FRAMES or len(items) != int(dataset.get("NumberOfFrames") or 1):
        return replace(instance, frames=(), problem="functional groups do not match the number of frames")
    groups = [_Groups(item, shared) for item in items]
    measures = {group.measures() for group in groups}
    frames = tuple(group.frame() for group in groups)
    spacing, thickness = groups[0].measures()
    problem = instance.problem
    if len(measures) > 1:
        problem = problem or "frames differ in pixel spacing or slice thickness"
    if any(frame is None for frame in frames):
        problem = problem or "a frame without rescale, so no Hounsfield units"
    first = groups[0]
    units = {
        unit for group in groups for unit in group.strings("PixelValueTransformationSequence", "RescaleType")
    }
    image_type = instance.image_type or first.strings("CTImageFrameTypeSequence", "FrameType")
    kvp = first.numbers("CTXRayDetailsSequence", "KVP")
    kernel = first.strings("CTReconstructionSequence", "ConvolutionKernel")
    diameter = first.numbers("CTReconstructionSequence", "ReconstructionDiameter")
    tilt = first.numbers("CTGeometrySequence", "GantryDetectorTilt") or first.numbers(
        "CTAcquisitionDetailsSequence", "GantryDetectorTilt"
    )
    return replace(
        instance,
        frames=tuple(frame or Frame(None, None) for frame in frames),
        pixel_spacing_mm=spacing or instance.pixel_spacing_mm,
        slice_thickness_mm=thickness if thickness is not None else instance.slice_thickness_mm,
        image_type=image_type,
        reconstruction_diameter_mm=diameter[0] if diameter else instance.reconstruction_diameter_mm,
        kvp=kvp[0] if kvp else instance.kvp,
        kernel="\\".join(kernel) or instance.kernel,
        rescale_type="\\".join(sorted(units)) or instance.rescale_type,
        gantry_tilt_deg=tilt[0] if tilt else instance.gantry_tilt_deg,
        contrast_agent=instance.contrast_agent or _contrast(dataset),
        problem=problem,
    )


class _Groups:
    """The functional groups of one frame: its own, or else the shared ones."""

    def __init__(self, own: Dataset, shared: Dataset) -> None:
        self._own = own
        self._shared = shared

    def _item(self, sequence: str) -> Dataset:
        return _first_item(self._own, sequence) or _first_item(self._shared, sequence)

    def numbers(self, sequence: str, keyword: str) -> tuple[float, ...]:
        value = self._item(sequence).get(keyword)
        parts = [] if value in (None, "") else value if hasattr(value, "__iter__") else [value]
        numbers = tuple(float(part) for part in parts)
        return numbers if all(map(math.isfinite, numbers)) else ()

    def strings(self, sequence: str, keyword: str) -> tuple[str, ...]:
        value = self._item(sequence).get(keyword) or []
        return (value,) if isinstance(value, str) else tuple(str(part) for part in value)

    def measures(self) -> tuple[tuple[float, float] | None, float | None]:
        spacing = self.numbers("PixelMeasuresSequence", "PixelSpacing")
        thickness = self.numbers("PixelMeasuresSequence", "SliceThickness")
        return (spacing[0], spacing[1]) if len(spacing) == 2 else None, thickness[0] if thickness else None

    def frame(self) -> Frame | None:
        """The frame's place and rescale; None when it has no rescale."""
        position = self.numbers("PlanePositionSequence", "ImagePositionPatient")
        orientation = self.numbers("PlaneOrientationSequence", "ImageOrientationPatient")
        slope = self.numbers("PixelValueTransformationSequence", "RescaleSlope")
        intercept = self.numbers("PixelValueTransformationSequence", "RescaleIntercept")
        if not slope or not intercept:
            return None
        return Frame(as_vector(position), as_orientation(orientation), slope[0], intercept[0])


def _first_item(dataset: Dataset, sequence: str) -> Dataset:
    items = dataset.get(sequence)
    return items[0] if items else Dataset()


def _contrast(dataset: Dataset) -> str:
    """The agent of an enhanced image, which names it by code only."""
    return str(_first_item(dataset, "ContrastBolusAgentSequence").get("CodeMeaning", ""))
