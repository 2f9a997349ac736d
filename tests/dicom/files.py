"""DICOM files made for these tests: one small CT slice, in whatever form a test needs."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, RLELossless

ROWS, COLUMNS = 16, 12


def ramp(rows: int = ROWS, columns: int = COLUMNS) -> npt.NDArray[np.int16]:
    """A picture in which every pixel is different, negative ones among them."""
    return (np.arange(rows * columns, dtype=np.int16).reshape(rows, columns) * 7 - 300).astype(np.int16)


def ct_slice(z_mm: float = 0.0, pixels: npt.NDArray[np.int16] | None = None) -> Dataset:
    """A signed 16-bit axial CT slice with 0.5 mm pixels."""
    pixels = ramp() if pixels is None else pixels
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = f"1.2.3.4.{int(z_mm * 1000) + 10_000_000}"
    ds.StudyDate = "20240131"
    ds.Modality = "CT"
    ds.PatientName = "Müller^Jörg"
    ds.PatientID = "0815"
    ds.PatientAge = "066Y"
    ds.SliceThickness = "1.25"
    ds.KVP = "120"
    ds.ConvolutionKernel = "STANDARD"
    ds.StudyInstanceUID = "1.2.3"
    ds.SeriesInstanceUID = "1.2.3.4"
    ds.InstanceNumber = 5
    ds.ImagePositionPatient = [-100.0, -110.5, z_mm]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.PixelSpacing = [0.5, 0.5]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation = 1
    ds.RescaleIntercept, ds.RescaleSlope = "-24", "1"
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def enhanced_ct(z_mm: list[float], pixels: npt.NDArray[np.int16] | None = None) -> Dataset:
    """An enhanced multi-frame CT: position and rescale by frame, the rest shared."""
    ds = ct_slice()
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(ds, keyword)
    del ds.RescaleIntercept, ds.RescaleSlope, ds.KVP, ds.ConvolutionKernel
    ds.SOPClassUID = EnhancedCTImageStorage
    ds.NumberOfFrames = len(z_mm)
    shared = Dataset()
    shared.PixelMeasuresSequence = [_item(PixelSpacing=[0.7, 0.7], SliceThickness=2)]
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    shared.CTXRayDetailsSequence = [_item(KVP=100)]
    shared.CTReconstructionSequence = [_item(ConvolutionKernel="Br40")]
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = []
    for index, z in enumerate(z_mm):
        frame = Dataset()
        frame.PlanePositionSequence = [_item(ImagePositionPatient=[-100, -110, z])]
        frame.PixelValueTransformationSequence = [
            _item(RescaleSlope=1, RescaleIntercept=-1000 - index, RescaleType="HU")
        ]
        ds.PerFrameFunctionalGroupsSequence.append(frame)
    frames = np.stack([ramp()] * len(z_mm)) if pixels is None else pixels
    ds.PixelData = frames.tobytes()
    return ds


def _item(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def file_bytes(ds: Dataset, syntax: UID = ExplicitVRLittleEndian, *, preamble: bool = True) -> bytes:
    """The data set as a file, or without preamble and meta information as a bare data set."""
    buffer = BytesIO()
    if not syntax.is_little_endian:  # pydicom writes the bytes of OW values as they are
        ds.PixelData = np.frombuffer(ds.PixelData, "<i2").astype(">i2").tobytes()
    if preamble:
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = syntax
        ds.save_as(buffer, enforce_file_format=True)
    else:
        ds.save_as(buffer, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    return buffer.getvalue()


def in_rle(ds: Dataset) -> Dataset:
    """The data set, its pixels compressed in place with RLE Lossless."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.compress(RLELossless, generate_instance_uid=False)
    return ds
