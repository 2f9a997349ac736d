"""DICOM files on disk for tests of the archive: headers with a few bytes of pixels."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"


def write_image(
    path: Path, *, study: str = "1.2.3", series: str = "1.2.3.1", number: int = 1, **values: object
) -> Path:
    """A CT slice of 2 × 2 pixels; `values` are set by their DICOM keywords."""
    image = Dataset()
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = f"{series}.{number}"
    image.StudyInstanceUID, image.SeriesInstanceUID = study, series
    image.Modality, image.StudyDate, image.PatientID = "CT", "20240315", "P-1"
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.PixelSpacing, image.SliceThickness, image.ConvolutionKernel = [0.7, 0.7], 1.0, "B30f"
    image.ImagePositionPatient = [-180.0, -180.0, float(number)]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.RescaleSlope, image.RescaleIntercept = 1, -1024
    image.Rows = image.Columns = 2
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
    image.PixelRepresentation, image.SamplesPerPixel = 0, 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.InstanceNumber = number
    image.PixelData = bytes(8)
    for keyword, value in values.items():
        setattr(image, keyword, value)
    return _write(path, image)


def write_report(path: Path, study: str = "1.2.3") -> Path:
    """A structured report: no image."""
    report = Dataset()
    report.SOPClassUID, report.SOPInstanceUID = BASIC_TEXT_SR, "1.2.9"
    report.StudyInstanceUID, report.SeriesInstanceUID = study, f"{study}.8"
    report.Modality = "SR"
    return _write(path, report)


def _write(path: Path, dataset: Dataset) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    dataset.save_as(path, enforce_file_format=True)
    return path
