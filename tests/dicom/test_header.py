"""Headers: every encoding gives the same instance, odd objects are named, damage has a bounded outcome."""

from __future__ import annotations

import re
import struct
import time
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from tasks.dicom.header import MAX_HEADER_BYTES, NoImage, Passed, parse_header, read_header
from tasks.dicom.instance import Frame, Instance
from tasks.dicom.uids import plain_uid
from tests.dicom.files import COLUMNS, ROWS, ct_slice, enhanced_ct, file_bytes

SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]


def parse(data: bytes, size: int | None = None) -> Instance | Passed:
    return parse_header("somewhere", size or len(data), lambda offset, n: data[offset : offset + n])


def parsed(data: bytes) -> Instance:
    outcome = parse(data)
    assert isinstance(outcome, Instance), outcome
    return outcome


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_encoding_gives_the_same_instance(syntax: UID) -> None:
    ds = ct_slice(12.5)
    ds.PixelPaddingValue = -2000
    data = file_bytes(ds, syntax)
    instance = parsed(data)
    assert instance.transfer_syntax_uid == syntax
    assert instance.problem == ""
    assert (instance.study_uid, instance.series_uid) == ("1.2.3", "1.2.3.4")
    assert instance.frames == (Frame((-100, -110.5, 12.5), (1, 0, 0, 0, 1, 0), 1, -24),)
    assert (instance.rows, instance.columns, instance.pixel_spacing_mm) == (ROWS, COLUMNS, (0.5, 0.5))
    assert (instance.bits_stored, instance.high_bit, instance.pixel_representation) == (16, 15, 1)
    assert instance.padding_value == -2000
    assert (instance.modality, instance.kvp, instance.kernel) == ("CT", 120, "STANDARD")
    assert instance.image_type == ("ORIGINAL", "PRIMARY", "AXIAL")
    assert (instance.age_text, instance.slice_thickness_mm) == ("066Y", 1.25)
    assert instance.identity.name == "Müller^Jörg"
    assert instance.pixel_length == ROWS * COLUMNS * 2
    if syntax == DeflatedExplicitVRLittleEndian:
        assert instance.pixel_offset is None
    else:
        assert instance.pixel_offset == len(data) - ROWS * COLUMNS * 2


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_bare_data_set_is_read(syntax: UID) -> None:
    with_preamble = parsed(file_bytes(ct_slice(), syntax))
    bare = parsed(file_bytes(ct_slice(), syntax, preamble=False))
    place = {"pixel_offset": 0, "size_bytes": 0, "content_token": ""}
    assert replace(bare, **place) == replace(with_preamble, **place)  # type: ignore[arg-type]
    assert bare.pixel_offset is not None
    assert bare.pixel_offset + ROWS * COLUMNS * 2 == bare.size_bytes


def test_a_data_set_that_is_not_what_its_transfer_syntax_says() -> None:
    data = file_bytes(ct_slice(), ImplicitVRLittleEndian)
    lying = data.replace(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.1\0")
    length_at = lying.index(b"UI", lying.index(b"\x02\0\x10\0")) + 2
    lying = lying[:length_at] + struct.pack("<H", 20) + lying[length_at + 2 :]
    assert parsed(lying).frames == parsed(data).frames


def test_contrast_agent_named_by_code_only() -> None:
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "C-B0322", "SRT", "Iohexol"
    ds = ct_slice()
    ds.ContrastBolusAgentSequence = [code]
    assert parsed(file_bytes(ds)).contrast_agent == "Iohexol"
    ds["ContrastBolusAgentSequence"].is_undefined_length = True
    assert parsed(file_bytes(ds)).contrast_agent == "Iohexol"
    ds.ContrastBolusAgentSequence = []
    assert parsed(file_bytes(ds)).contrast_agent == ""


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_sequences_and_large_private_elements_are_stepped_over(syntax: UID, undefined: bool) -> None:
    ds = ct_slice()
    inner = pydicom.Dataset()
    inner.StudyInstanceUID = "9.9.9"
    inner.ReferencedSOPSequence = [pydicom.Dataset()]
    inner["ReferencedSOPSequence"].is_undefined_length = undefined
    ds.ReferencedStudySequence = [inner, inner]
    ds["ReferencedStudySequence"].is_undefined_length = undefined
    ds.add_new(0x00091001, "OB", bytes(100_000))
    instance = parsed(file_bytes(ds, syntax))
    assert instance.study_uid == "1.2.3"
    assert instance.rows == ROWS


def test_enhanced_multi_frame_takes_each_frames_own_groups() -> None:
    instance = parsed(file_bytes(enhanced_ct([30.0, 20.0, 10.0])))
    assert [frame.position_mm for frame in instance.frames] == [(-100, -110, z) for z in (30, 20, 10)]
    assert [frame.intercept for frame in instance.frames] == [-1000, -1001, -1002]
    assert instance.frames[0].orientation == (1, 0, 0, 0, 1, 0)
    assert (instance.pixel_spacing_mm, instance.slice_thickness_mm) == ((0.7, 0.7), 2)
    assert (instance.kvp, instance.kernel, instance.problem) == (100, "Br40", "")


@pytest.mark.parametrize("frames", [0, 2, 4, 10**9])
def test_a_frame_count_that_does_not_fit_is_a_problem(frames: int) -> None:
    ds = enhanced_ct([1.0, 2.0, 3.0])
    ds.NumberOfFrames = frames
    instance = parsed(file_bytes(ds))
    assert instance.problem
    assert instance.frames == ()


def test_an_enhanced_frame_without_rescale_is_a_problem() -> None:
    ds = enhanced_ct([1.0, 2.0])
    del ds.PerFrameFunctionalGroupsSequence[1].PixelValueTransformationSequence
    assert "rescale" in parsed(file_bytes(ds)).problem


def test_a_plain_multi_frame_with_a_billion_frames_takes_no_memory() -> None:
    ds = ct_slice()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.NumberOfFrames = 10**9
    assert parsed(file_bytes(ds)).frames == ()


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_ct_without_rescale_has_no_hounsfield_units(keyword: str) -> None:
    ds = ct_slice()
    delattr(ds, keyword)
    assert "rescale" in parsed(file_bytes(ds)).problem


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("rtplan.dcm", NoImage.RT),
        ("test-SR.dcm", NoImage.SR),
        ("DICOMDIR", NoImage.DICOMDIR),
        ("liver_1frame.dcm", NoImage.SEG),
        ("waveform_ecg.dcm", NoImage.OTHER_OBJECT),
        ("meta_missing_tsyntax.dcm", NoImage.UNREADABLE),
        ("README.txt", NoImage.NOT_DICOM),
        ("test_PN.json", NoImage.NOT_DICOM),
    ],
)
def test_what_is_no_image_is_named(name: str, why: NoImage) -> None:
    found = get_testdata_file(name)
    assert isinstance(found, str)
    assert read_header(found, Path(found).stat().st_size) == Passed(why)


@pytest.mark.parametrize(
    ("sop_class", "why"),
    [
        ("1.2.840.10008.5.1.4.1.1.11.1", NoImage.PR),
        ("1.2.840.10008.5.1.4.1.1.104.1", NoImage.PDF),
        ("1.2.840.10008.5.1.4.1.1.104.2", NoImage.OTHER_OBJECT),
        ("1.2.840.10008.5.1.4.1.1.66.1", NoImage.OTHER_OBJECT),
    ],
)
def test_object_classes(sop_class: str, why: NoImage) -> None:
    ds = ct_slice()
    ds.SOPClassUID = sop_class
    assert parse(file_bytes(ds)) == Passed(why)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "693_J2KI.dcm"])
def test_pydicom_reads_the_same(name: str) -> None:
    found = get_testdata_file(name)
    assert isinstance(found, str)
    instance = read_header(found, Path(found).stat().st_size)
    assert isinstance(instance, Instance)
    ds = pydicom.dcmread(found)
    assert instance.study_uid == ds.StudyInstanceUID
    assert (instance.rows, instance.columns) == (ds.Rows, ds.Columns)
    assert instance.bits_stored == ds.BitsStored
    position = ds.get("ImagePositionPatient")
    assert instance.frames[0].position_mm == (tuple(position) if position else None)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    assert read_header(tmp_path / "gone", 100) == Passed(NoImage.UNREADABLE)
    assert read_header(tmp_path, 100) == Passed(NoImage.UNREADABLE)
    (tmp_path / "empty").touch()
    assert read_header(tmp_path / "empty", 0) == Passed(NoImage.NOT_DICOM)


def test_a_file_that_became_shorter_since_it_was_listed() -> None:
    data = file_bytes(ct_slice())[:700]
    outcome = parse(data, size=100_000)
    assert isinstance(outcome, Instance)
    assert outcome.problem == "the file ends inside its header"


def test_cut_anywhere_in_the_header_says_so_or_is_passed_over() -> None:
    data = file_bytes(ct_slice())
    whole = parsed(data)
    assert whole.pixel_offset is not None
    for length in range(0, whole.pixel_offset - 12, 3):
        outcome = parse(data[:length])
        assert isinstance(outcome, Passed) or outcome.problem, length


@given(cut=st.integers(0, 1200), at=st.integers(0, 1200), noise=st.binary(min_size=1, max_size=12))
@settings(max_examples=400, deadline=2000)
def test_damaged_bytes_have_no_other_outcome(cut: int, at: int, noise: bytes) -> None:
    data = bytearray(_SAMPLE)
    data[at : at + len(noise)] = noise
    outcome = parse(bytes(data[: len(data) - cut]))
    assert isinstance(outcome, (Instance, Passed))


@given(
    st.sampled_from([b"", bytes(128) + b"DICM", b"\x08\0\x05\0", b"\0\x08\0\x05"]), st.binary(max_size=600)
)
def test_random_bytes_have_no_other_outcome(beginning: bytes, rest: bytes) -> None:
    assert isinstance(parse(beginning + rest), (Instance, Passed))


_SAMPLE = file_bytes(enhanced_ct([1.0, 2.0]))


@pytest.mark.parametrize(
    "token", [b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\x40\0\x75\x02SQ\0\0\xff\xff\xff\xff"]
)
def test_endless_nesting_ends(token: bytes) -> None:
    start = file_bytes(ct_slice())
    head = start[: start.index(b"\x08\x00\x05\x00")]
    bomb = head + b"\x08\0\x10\x11SQ\0\0\xff\xff\xff\xff" + token * 200_000
    began = time.perf_counter()
    assert isinstance(parse(bomb), Passed)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("length", [0xFFFFFFFE, 0x7FFFFFFF, 5_000_000])
def test_a_length_beyond_the_file_is_not_believed(length: int) -> None:
    data = file_bytes(ct_slice())
    at = data.index(b"\x20\x00\x0d\x00")
    hostile = data[:at] + b"\x09\0\x01\x10OB\0\0" + struct.pack("<I", length) + data[at:]
    outcome = parse(hostile)
    assert isinstance(outcome, Passed) or outcome.problem


def test_a_deflate_bomb_is_not_inflated_whole() -> None:
    ds = ct_slice()
    ds.add_new(0x00091001, "OB", bytes(3 * MAX_HEADER_BYTES))
    data = file_bytes(ds, DeflatedExplicitVRLittleEndian)
    assert len(data) < 1_000_000
    assert isinstance(parse(data), Passed)


def test_the_token_changes_with_the_content_only() -> None:
    tokens = {
        parsed(file_bytes(ct_slice(1.0))).content_token,
        parsed(file_bytes(ct_slice(2.0))).content_token,
        parse_token("elsewhere", file_bytes(ct_slice(1.0))),
    }
    assert len(tokens) == 2


def parse_token(source: str, data: bytes) -> str:
    outcome = parse_header(source, len(data), lambda offset, n: data[offset : offset + n])
    assert isinstance(outcome, Instance)
    return outcome.content_token


def with_study_uid(raw: bytes) -> bytes:
    value = raw + b"\0" * (len(raw) % 2)
    return file_bytes(ct_slice()).replace(
        b"UI\x06\x001.2.3\0", b"UI" + struct.pack("<H", len(value)) + value, 1
    )


@pytest.mark.parametrize("raw", [b"1.2.840.113619.2.55", b"9", b"1.2." + b"3" * 60])
def test_a_uid_stands_as_it_is(raw: bytes) -> None:
    assert parsed(with_study_uid(raw)).study_uid == raw.decode()


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=1, max_size=200))
def test_whatever_stands_for_a_uid_becomes_digits_and_dots(raw: bytes) -> None:
    uid = plain_uid(raw)
    assert uid == "" if not raw.strip(b" \0") else re.fullmatch(r"[0-9][0-9.]{0,63}", uid)
    assert uid == plain_uid(raw + b"\0")


@pytest.mark.parametrize(
    "raw", [b"../../", b"....", b"LEAK^MANN.evil", "1.2.\xe9".encode("latin-1"), b"1.2\n3", b"1" * 70]
)
def test_what_is_no_uid_leaves_no_word_and_stays_one_study(raw: bytes) -> None:
    uid = parsed(with_study_uid(raw)).study_uid
    assert uid.startswith("2.25.")
    assert uid == parsed(with_study_uid(raw)).study_uid
    assert uid != parsed(with_study_uid(raw + b"x")).study_uid


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_no_uid_of_a_header_carries_words() -> None:
    ds = ct_slice()
    words = "LEAK^MANN"
    ds.SeriesInstanceUID = ds.SOPInstanceUID = ds.FrameOfReferenceUID = words
    instance = parsed(file_bytes(ds).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.LEAKMANN.1\0\0"))
    assert "LEAK" not in repr(instance)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_says_the_lengths_again_is_read(syntax: UID) -> None:
    ds = ct_slice()
    ds.SliceLocation, ds.ReconstructionDiameter = "-41.25", "360"
    instance = parsed(file_bytes(ds, syntax))
    assert (instance.slice_location_mm, instance.reconstruction_diameter_mm) == (-41.25, 360)


def test_an_enhanced_image_says_its_size_among_its_groups() -> None:
    ds = enhanced_ct([1.0, 2.0])
    ds.SharedFunctionalGroupsSequence[0].CTReconstructionSequence[0].ReconstructionDiameter = 500
    assert parsed(file_bytes(ds)).reconstruction_diameter_mm == 500


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_unit_of_the_values_is_read(syntax: UID) -> None:
    ds = ct_slice()
    assert parsed(file_bytes(ds, syntax)).rescale_type == ""
    ds = ct_slice()
    ds.RescaleType = "Z_EFF"
    assert parsed(file_bytes(ds, syntax)).rescale_type == "Z_EFF"


def test_the_unit_is_read_from_a_bare_data_set() -> None:
    ds = ct_slice()
    ds.RescaleType = "Z_EFF"
    assert parsed(file_bytes(ds, preamble=False)).rescale_type == "Z_EFF"


def test_the_units_of_an_enhanced_image_are_those_of_all_its_frames() -> None:
    ds = enhanced_ct([1.0, 2.0, 3.0])
    assert parsed(file_bytes(ds)).rescale_type == "HU"
    ds.PerFrameFunctionalGroupsSequence[1].PixelValueTransformationSequence[0].RescaleType = "MGML"
    assert parsed(file_bytes(ds)).rescale_type == "HU\\MGML"


def test_real_series(real_ct: Path) -> None:
    for name, count in (("chest_ct_unenhanced", 248), ("chest_ct_siemens_3mm", 134), ("syntaxes", 16)):
        files = sorted((real_ct / name).iterdir())
        instances = [read_header(file, file.stat().st_size) for file in files]
        assert len(instances) == count
        assert all(isinstance(i, Instance) and i.problem == "" and i.rows == 512 for i in instances)
