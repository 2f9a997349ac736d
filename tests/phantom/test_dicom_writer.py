"""Written files: every transfer syntax gives its pixels back, in pydicom and in SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import SimpleITK

from tasks.phantom.dicom_writer import (
    SeriesTags,
    StudyTags,
    make_uid,
    write_directory,
    write_report,
    write_slice,
)
from tasks.phantom.encoding import SYNTAXES
from tasks.phantom.scanner import sample_scanner

STUDY = StudyTags(
    study_uid=make_uid("a study"),
    patient_id="PH0001",
    patient_name="Phantom^0001",
    birth_date="19600101",
    sex="F",
    age_text="065Y",
    study_date="20250106",
    study_time="101500",
    accession="A1",
    height_m=1.63,
    weight_kg=70,
)


def _series(padding: int | None = None, intercept: int = -1024) -> SeriesTags:
    return SeriesTags(
        series_uid=make_uid("a series"),
        frame_uid=make_uid("a frame"),
        number=2,
        scanner=sample_scanner(np.random.default_rng(0), kvp=100, vendor="SIEMENS"),
        pixel_spacing_mm=(0.7, 0.7),
        padding=padding,
        intercept=intercept,
    )


def _image() -> npt.NDArray[np.int16]:
    hu = np.random.default_rng(1).normal(40.0, 60.0, (96, 112)).astype(np.int16)
    hu[0, :6], hu[1, :4] = -1024, 3071
    return hu


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("padding", [None, -2000])
def test_pixels_come_back(tmp_path: Path, syntax: str, padding: int | None) -> None:
    hu, expected = _image(), _image().astype(int)
    if padding is not None:
        hu[:5, :5] = -2000
        expected[:5, :5] = padding - 1024
    path = tmp_path / "slice"
    write_slice(path, STUDY, _series(padding), SYNTAXES[syntax], 1, (-10.0, -20.0, 30.5), hu)

    dataset = pydicom.dcmread(path)
    assert dataset.file_meta.TransferSyntaxUID == SYNTAXES[syntax].uid
    assert np.array_equal(dataset.pixel_array.astype(int) + int(dataset.RescaleIntercept), expected)
    image = SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO")
    assert np.array_equal(SimpleITK.GetArrayFromImage(image)[0], expected)


def test_headers_say_who_where_and_how(tmp_path: Path) -> None:
    write_slice(tmp_path / "s", STUDY, _series(), SYNTAXES["explicit"], 7, (1.0, 2.0, 3.0), _image())
    header = pydicom.dcmread(tmp_path / "s", stop_before_pixels=True)
    assert (header.PatientID, header.PatientAge, header.PatientSize) == ("PH0001", "065Y", 1.63)
    assert (header.Modality, header.KVP, header.Manufacturer) == ("CT", 100, "SIEMENS")
    assert list(header.ImagePositionPatient) == [1.0, 2.0, 3.0]
    assert header.InstanceNumber == 7
    assert header.StudyInstanceUID.is_valid and header.SOPInstanceUID.is_valid
    assert header.SOPInstanceUID == header.file_meta.MediaStorageSOPInstanceUID


def test_an_intercept_of_1000_loses_nothing_above_air(tmp_path: Path) -> None:
    write_slice(tmp_path / "s", STUDY, _series(intercept=-1000), SYNTAXES["explicit"], 1, (0, 0, 0), _image())
    dataset = pydicom.dcmread(tmp_path / "s")
    assert np.array_equal(dataset.pixel_array.astype(int) - 1000, np.maximum(_image(), -1000))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_same_arguments_give_the_same_bytes(tmp_path: Path, syntax: str) -> None:
    for name in ("one", "two"):
        write_slice(tmp_path / name, STUDY, _series(), SYNTAXES[syntax], 1, (0.0, 0.0, 0.0), _image())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_objects_without_pixels_are_what_they_say(tmp_path: Path) -> None:
    write_report(tmp_path / "report", STUDY)
    write_directory(tmp_path / "DICOMDIR")
    report = pydicom.dcmread(tmp_path / "report")
    assert report.Modality == "SR" and report.StudyInstanceUID == STUDY.study_uid
    directory = pydicom.dcmread(tmp_path / "DICOMDIR")
    assert directory.file_meta.MediaStorageSOPClassUID == "1.2.840.10008.1.3.10"
    assert len(directory.DirectoryRecordSequence) == 0


def test_uids_differ_by_what_they_are_made_of() -> None:
    uids = {make_uid(kind, number) for kind in ("study", "series") for number in range(200)}
    assert len(uids) == 400
    assert all(len(uid) <= 64 and pydicom.uid.UID(uid).is_valid for uid in uids)
