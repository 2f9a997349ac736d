"""`Instance`: what the header of one DICOM image says, as one frozen, typed value.

Every step after the archive works on these values and never sees a DICOM data set. A value that the header
lacks, or holds in a form that cannot be read, is None (or an empty string or tuple); nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the patient is. Kept apart so that it is never logged, hashed into a path or shown by accident."""

    patient_id: str = ""
    issuer: str = ""
    name: str = ""
    birth_date: str = ""
    accession_number: str = ""

    def __repr__(self) -> str:
        return "Identity(withheld)"


@dataclass(frozen=True, slots=True)
class Frame:
    """One plane of pixels: where it lies and how stored values become Hounsfield units.

    Attributes:
        position_mm: ImagePositionPatient, LPS, of the first pixel; None when the header has none.
        orientation: ImageOrientationPatient (row direction, then column direction); None when absent.
        slope, intercept: stored value × slope + intercept = HU.
    """

    position_mm: tuple[float, float, float] | None
    orientation: tuple[float, float, float, float, float, float] | None
    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True, slots=True)
class Instance:
    """The header of one DICOM image instance, single-frame or enhanced multi-frame.

    Attributes:
        source: where its bytes are (a path or a URL); opaque, may carry patient data, never logged.
        size_bytes: size of the whole file.
        content_token: changes when the content does; short hexadecimal.
        frames: one entry per plane; a classic CT image has exactly one.
        slice_location_mm: place along the table; says again how far slices lie apart.
        reconstruction_diameter_mm: edge of the image; says again how large its pixels are.
        pixel_spacing_mm: (between rows, between columns).
        rescale_type: unit of the rescaled values as the header has it; where frames differ, each once, parted
            by backslashes; empty when it is silent.
        pixel_offset: byte offset in the file at which the value of PixelData starts (for encapsulated data,
            at the basic offset table item); None when it is not known or the data set is deflated.
        pixel_length: length in bytes of that value as declared; None for undefined length.
        problem: why the header could not be read to its end; empty when it could.
    """

    source: str
    size_bytes: int
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    content_token: str = ""
    identity: Identity = field(default_factory=Identity)
    modality: str = ""
    image_type: tuple[str, ...] = ()
    study_date: str = ""
    study_description: str = ""
    series_description: str = ""
    body_part: str = ""
    series_number: int | None = None
    acquisition_number: int | None = None
    instance_number: int | None = None
    frame_of_reference_uid: str = ""
    sex: str = ""
    age_text: str = ""
    patient_height_m: float | None = None
    patient_position: str = ""
    manufacturer: str = ""
    scanner_model: str = ""
    site: str = ""
    kvp: float | None = None
    kernel: str = ""
    contrast_agent: str = ""
    gantry_tilt_deg: float | None = None
    slice_thickness_mm: float | None = None
    slice_location_mm: float | None = None
    reconstruction_diameter_mm: float | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    rows: int = 0
    columns: int = 0
    frames: tuple[Frame, ...] = ()
    bits_allocated: int = 16
    bits_stored: int = 16
    high_bit: int | None = None
    pixel_representation: int = 0
    samples_per_pixel: int = 1
    photometric: str = "MONOCHROME2"
    rescale_type: str = ""
    padding_value: int | None = None
    padding_limit: int | None = None
    pixel_offset: int | None = None
    pixel_length: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """The instances of one SeriesInstanceUID, in no particular order."""

    series_uid: str
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """The series of one StudyInstanceUID, as the archive holds them at the time of the scan.

    Attributes:
        content_key: a digest over the content tokens of all instances, independent of paths and of order;
            together with model and pipeline version it names a piece of work that need not be done twice.
        unreadable: instances known to belong to this study whose headers could not be read.
    """

    study_uid: str
    series: tuple[Series, ...]
    content_key: str
    unreadable: int = 0

    def any_instance(self) -> Instance:
        """Any instance, for what all instances of a study share (patient, date)."""
        return self.series[0].instances[0]
