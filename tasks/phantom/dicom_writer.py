"""Generated images as DICOM files: CT slices with the tags that scanners write, and odd objects beside.

Everything follows from the arguments, UIDs and bytes included, so a seed gives the same archive anywhere.
"""

from __future__ import annotations

import hashlib
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from tasks.phantom.encoding import Syntax, set_pixels
from tasks.phantom.scanner import Scanner

ISSUER = "PHANTOM"
"""IssuerOfPatientID of all generated patients."""

INSTITUTION = "Phantom Hospital"
"""InstitutionName of all generated studies: by it a generated lake says that it is one."""

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""ImageOrientationPatient of a slice seen from the feet."""


@dataclass(frozen=True, slots=True)
class StudyTags:
    """What all instances of a study share."""

    study_uid: str
    patient_id: str
    patient_name: str
    birth_date: str
    sex: str
    age_text: str
    study_date: str
    study_time: str
    accession: str
    description: str = "CT Chest WO"
    issuer: str = ISSUER
    height_m: float | None = None
    weight_kg: float | None = None


@dataclass(frozen=True, slots=True)
class SeriesTags:
    """What all instances of a series share.

    Attributes:
        intercept: stored value + intercept = HU.
        padding: stored value outside the field of view; None where there is none.
        orientation: ImageOrientationPatient.
        pixel_spacing_mm: between rows, between columns.
    """

    series_uid: str
    frame_uid: str
    number: int
    scanner: Scanner
    pixel_spacing_mm: tuple[float, float]
    description: str = "Chest 2.0"
    modality: str = "CT"
    sop_class: UID = CTImageStorage
    image_type: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "AXIAL")
    body_part: str = "CHEST"
    contrast_agent: str = ""
    patient_position: str = "HFS"
    orientation: tuple[float, ...] = AXIAL
    gantry_tilt_deg: float = 0.0
    intercept: int = -1024
    padding: int | None = None


def make_uid(*parts: object) -> str:
    """A UID of the 2.25 root that follows from `parts`."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:15], 'big')}"


def write_slice(
    path: Path,
    study: StudyTags,
    series: SeriesTags,
    syntax: Syntax,
    number: int,
    position_mm: tuple[float, float, float],
    hu: npt.NDArray[np.int16],
) -> None:
    """Write one image.

    Args:
        number: InstanceNumber; with the series it also names the instance.
        position_mm: ImagePositionPatient.
        hu: Hounsfield units, shape (rows, columns), as they lie in the file.
    """
    dataset = copy(_in_common(study, series, syntax))
    dataset.file_meta = copy(dataset.file_meta)
    _name_instance(dataset, make_uid(series.series_uid, number))
    dataset.InstanceNumber = number
    dataset.ImagePositionPatient = [round(value, 4) for value in position_mm]
    dataset.SliceLocation = round(position_mm[2], 3)
    if series.padding is None:
        set_pixels(dataset, np.clip(hu - series.intercept, 0, 4095).astype(np.uint16), syntax)
    else:
        outside = hu < -1024
        stored = np.where(outside, series.padding, hu - series.intercept).astype(np.int16)
        set_pixels(dataset, stored, syntax)
    _save(dataset, path)


@lru_cache(maxsize=2)
def _in_common(study: StudyTags, series: SeriesTags, syntax: Syntax) -> FileDataset:
    """What all slices of a series share, read back from a file: pydicom then writes its bytes as they are."""
    dataset = _new_file(str(series.sop_class), make_uid("no instance"), syntax.uid)
    _set_patient_and_study(dataset, study)
    _set_series(dataset, series)
    dataset.AcquisitionNumber = 1
    dataset.ImageOrientationPatient = list(series.orientation)
    dataset.PixelSpacing = list(series.pixel_spacing_mm)
    dataset.RescaleIntercept = series.intercept
    dataset.RescaleSlope = 1
    dataset.RescaleType = "HU"
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    if series.padding is not None:
        dataset.add_new("PixelPaddingValue", "SS", series.padding)
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    file.seek(0)
    return dcmread(file)


def write_report(path: Path, study: StudyTags) -> None:
    """Write a structured report into a study: an object without pixels."""
    dataset = _new_file(str(BasicTextSRStorage), make_uid(study.study_uid, "report"), ExplicitVRLittleEndian)
    _set_patient_and_study(dataset, study)
    dataset.Modality = "SR"
    dataset.SeriesInstanceUID = make_uid(study.study_uid, "report series")
    dataset.SeriesNumber, dataset.InstanceNumber = 99, 1
    dataset.CompletionFlag, dataset.VerificationFlag = "COMPLETE", "UNVERIFIED"
    dataset.ValueType = "CONTAINER"
    dataset.ContinuityOfContent = "SEPARATE"
    title = Dataset()
    title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning = (
        "113701",
        "DCM",
        "Radiation Dose Report",
    )
    dataset.ConceptNameCodeSequence = DicomSequence([title])
    _save(dataset, path)


def write_directory(path: Path) -> None:
    """Write a DICOMDIR without records, as media leave behind."""
    uid = make_uid(path.name, "directory")
    dataset = _new_file(str(MediaStorageDirectoryStorage), uid, ExplicitVRLittleEndian)
    del dataset.SOPClassUID, dataset.SOPInstanceUID
    dataset.FileSetID = "PHANTOM"
    dataset.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    dataset.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
    dataset.FileSetConsistencyFlag = 0
    dataset.DirectoryRecordSequence = DicomSequence([])
    _save(dataset, path)


def _new_file(sop_class: str, sop_instance: str, syntax: UID) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = UID(make_uid("osteoscreen phantom"))
    meta.ImplementationVersionName = "OSTEOSCREEN"
    dataset = FileDataset(
        "",
        {},
        file_meta=meta,
        preamble=b"\0" * 128,
        is_implicit_VR=syntax.is_implicit_VR,
        is_little_endian=syntax.is_little_endian,
    )
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = UID(sop_class)
    _name_instance(dataset, sop_instance)
    return dataset


def _name_instance(dataset: FileDataset, sop_instance: str) -> None:
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(sop_instance)


def _set_patient_and_study(dataset: FileDataset, study: StudyTags) -> None:
    dataset.PatientName, dataset.PatientID = study.patient_name, study.patient_id
    dataset.IssuerOfPatientID = study.issuer
    dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = (
        study.birth_date,
        study.sex,
        study.age_text,
    )
    if study.height_m is not None:
        dataset.PatientSize = f"{study.height_m:.2f}"
    if study.weight_kg is not None:
        dataset.PatientWeight = f"{study.weight_kg:.0f}"
    dataset.StudyInstanceUID, dataset.StudyID = study.study_uid, "1"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = study.study_date
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = study.study_time
    dataset.AccessionNumber = study.accession
    dataset.StudyDescription = study.description
    dataset.ReferringPhysicianName = ""
    dataset.InstitutionName = INSTITUTION


def _set_series(dataset: FileDataset, series: SeriesTags) -> None:
    scanner = series.scanner
    dataset.Modality, dataset.ImageType = series.modality, list(series.image_type)
    dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = series.series_uid, series.frame_uid
    dataset.SeriesNumber, dataset.SeriesDescription = series.number, series.description
    dataset.BodyPartExamined, dataset.PatientPosition = series.body_part, series.patient_position
    dataset.PositionReferenceIndicator = ""
    dataset.Manufacturer, dataset.ManufacturerModelName = scanner.vendor, scanner.model
    dataset.SliceThickness = f"{scanner.thickness_mm:g}"
    if series.modality != "CT":
        return
    dataset.SpacingBetweenSlices = f"{scanner.spacing_mm:g}"
    dataset.KVP, dataset.ConvolutionKernel = scanner.kvp, scanner.kernel
    dataset.XRayTubeCurrent, dataset.ExposureTime = 180, 500
    dataset.GantryDetectorTilt = f"{series.gantry_tilt_deg:g}"
    dataset.TableHeight = 150
    dataset.RotationDirection = "CW"
    if series.contrast_agent:
        dataset.ContrastBolusAgent = series.contrast_agent
        dataset.ContrastBolusRoute = "IV"


def _save(dataset: FileDataset, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
