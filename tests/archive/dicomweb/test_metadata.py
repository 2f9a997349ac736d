"""Headers by DICOM JSON: the same values as from the file, and nothing but a reason from hostile JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from tasks.archive.dicomweb.client import Answer
from tasks.archive.dicomweb.dicom_json import data_sets, tag_key
from tasks.archive.dicomweb.metadata import instance_of, read_headers
from tasks.archive.dicomweb.multipart import dicom_file
from tasks.archive.peer import ListedStudy
from tasks.dicom import fields as f
from tasks.dicom.header import parse_header, read_header
from tasks.dicom.instance import Instance
from tasks.outcomes import ArchiveError
from tests.archive.dicomweb.conftest import MakePeer
from tests.archive.orthanc import running_orthanc
from tests.dicom.files import ct_slice, enhanced_ct, file_bytes

# What metadata do not tell: the instance itself does.
UNTOLD = frozenset(
    {"source", "size_bytes", "content_token", "pixel_offset", "pixel_length", "transfer_syntax_uid"}
)


def differences(told: Instance, of_file: Instance) -> dict[str, tuple[object, object]]:
    """Fields in which two headers differ, but for those that metadata do not tell."""
    pairs = {name: (getattr(told, name), getattr(of_file, name)) for name in names()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def names() -> Iterator[str]:
    return (field.name for field in fields(Instance) if field.name not in UNTOLD)


def of_bytes(content: bytes) -> Instance:
    header = parse_header("", len(content), lambda offset, length: content[offset : offset + length])
    assert isinstance(header, Instance)
    return header


def as_json(dataset: Dataset) -> dict[str, Any]:
    """As a server of pydicom's own would send it; pixels elsewhere."""
    content: dict[str, Any] = dataset.to_json_dict()
    content["7FE00010"] = {"vr": "OW", "BulkDataURI": "http://archive.example/bulk"}
    return content


def told_by(dataset: Dataset, **changed: object) -> Instance:
    content = as_json(dataset) | {tag_key(getattr(f, name)): value for name, value in changed.items()}
    return instance_of(content, str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID))


def odd_slices() -> dict[str, Dataset]:
    """Slices with what is rare in headers; each its own instance of one series."""
    plain, names, contrast, lut, padded = (ct_slice(float(z)) for z in range(5))
    names.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    names.SpecificCharacterSet = "ISO_IR 192"
    names.ConvolutionKernel = ["B30f", "3"]
    names.IssuerOfPatientID, names.PatientBirthDate = "KLINIK MÜNCHEN", "19500101"
    contrast.ContrastBolusAgentSequence = [Dataset()]
    contrast.ContrastBolusAgentSequence[0].CodeMeaning = "Iohexol"
    contrast.PatientSize, contrast.KVP = "", "79.99999"
    lut.ModalityLUTSequence = [Dataset()]
    lut.ModalityLUTSequence[0].ModalityLUTType = "US"
    del lut.RescaleSlope, lut.RescaleIntercept
    padded.PixelPaddingValue, padded.PixelPaddingRangeLimit = -2000, -1024
    padded.ImagePositionPatient = [-172.123456, 1e-5, -1234.5]
    padded.GantryDetectorTilt = "-12.5"
    return {"plain": plain, "names": names, "contrast": contrast, "lut": lut, "padded": padded}


@pytest.mark.parametrize("kind", odd_slices())
def test_json_of_a_slice_says_what_its_file_says(kind: str) -> None:
    dataset = odd_slices()[kind]
    assert differences(told_by(dataset), of_bytes(file_bytes(dataset))) == {}


def test_json_of_an_enhanced_image_says_what_its_file_says() -> None:
    dataset = enhanced_ct([1.0, 2.5, 4.0])
    told = told_by(dataset)
    assert [frame.intercept for frame in told.frames] == [-1000, -1001, -1002]
    assert differences(told, of_bytes(file_bytes(dataset))) == {}


@pytest.mark.orthanc
def test_orthanc_says_of_odd_images_what_their_files_say(tmp_path: Path, peer_at: MakePeer) -> None:
    slices = list(odd_slices().values())
    enhanced = enhanced_ct([1.0, 2.5, 4.0])
    enhanced.SeriesInstanceUID, enhanced.SOPInstanceUID = "1.2.3.9", "1.2.3.9.1"
    contents = [file_bytes(dataset) for dataset in [*slices, enhanced]]
    with running_orthanc(tmp_path) as server:
        assert server.store(contents) == len(contents)
        told = headers_by_uid(peer_at(server.dicom_web), "1.2.3")
    for content in contents:
        of_file = of_bytes(content)
        assert differences(told[of_file.sop_instance_uid], of_file) == {}


@pytest.mark.orthanc
@pytest.mark.real_ct
def test_orthanc_says_of_real_images_what_their_files_say(
    tmp_path: Path, real_ct: Path, peer_at: MakePeer
) -> None:
    every = sorted(path for path in real_ct.glob("*ct*/**/*") if path.is_file())
    headers = {path: read_header(path, path.stat().st_size) for path in every[::12]}
    of_files = {path: header for path, header in headers.items() if isinstance(header, Instance)}
    assert len(of_files) > 50
    with running_orthanc(tmp_path) as server:
        server.store(of_files)
        peer = peer_at(server.dicom_web)
        told: dict[str, Instance] = {}
        for study_uid in {header.study_uid for header in of_files.values()}:
            told |= headers_by_uid(peer, study_uid)
    assert len(told) == len(of_files)
    for of_file in of_files.values():
        assert differences(told[of_file.sop_instance_uid], of_file) == {}


def headers_by_uid(peer: Any, study_uid: str) -> dict[str, Instance]:  # noqa: ANN401 - a peer
    headers = peer.headers(ListedStudy(study_uid), peer.series(study_uid))
    return {header.sop_instance_uid: header for header in headers}


def test_the_token_follows_the_header() -> None:
    before, after, enhanced = ct_slice(), ct_slice(), enhanced_ct([1.0, 2.0])
    after.KVP = 100
    moved = enhanced_ct([1.0, 2.5])
    moved.SOPInstanceUID = enhanced.SOPInstanceUID
    assert told_by(before).content_token == told_by(ct_slice()).content_token
    assert told_by(before).content_token != told_by(after).content_token
    assert told_by(enhanced).content_token != told_by(moved).content_token


def test_the_syntax_is_known_where_it_is_the_only_one() -> None:
    one = as_json(ct_slice()) | {"00083002": {"vr": "UI", "Value": ["1.2.840.10008.1.2.4.70"]}}
    two = one | {"00083002": {"vr": "UI", "Value": ["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.1"]}}
    assert instance_of(one, "1.2.3", "1.2.3.4").transfer_syntax_uid == "1.2.840.10008.1.2.4.70"
    assert instance_of(two, "1.2.3", "1.2.3.4").transfer_syntax_uid == ""


def nested(depth: int) -> dict[str, Any]:
    """Pixel measures within pixel measures."""
    content: dict[str, Any] = {}
    for _ in range(depth):
        content = {"00289110": {"vr": "SQ", "Value": [content]}}
    return content


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"STUDY_UID": {"vr": "UI", "Value": ["9.9"]}}, "another series"),
        ({"SERIES_UID": {"vr": "UI", "Value": ["9.9"]}}, "another series"),
        ({"STUDY_UID": {"vr": "UI"}}, "another series"),
        ({"SOP_INSTANCE_UID": {"vr": "UI", "Value": [7]}}, ""),
        ({"SOP_INSTANCE_UID": None}, "no SOPInstanceUID"),
        ({"RESCALE_SLOPE": {"vr": "DS", "BulkDataURI": "http://archive.example/x"}}, "rescale"),
        ({"RESCALE_INTERCEPT": {"vr": "DS", "Value": [None]}}, "rescale"),
        ({"RESCALE_SLOPE": {"vr": "DS", "Value": [True]}}, "rescale"),
        ({"RESCALE_SLOPE": {"vr": "DS", "Value": [float("nan")]}}, "rescale"),
        ({"RESCALE_SLOPE": {"vr": "DS", "Value": [10**400]}}, "rescale"),
        ({"MODALITY_LUT_SEQUENCE": {"vr": "SQ", "Value": [{}]}}, "lookup"),
        ({"PER_FRAME_GROUPS": {"vr": "SQ", "Value": [{"00209113": 7}]}}, "functional groups"),
        ({"SHARED_GROUPS": {"vr": "SQ", "Value": ["x"]}}, "functional groups"),
        ({"SHARED_GROUPS": {"vr": "SQ", "Value": [nested(200)]}}, "functional groups"),
        ({"SHARED_GROUPS": {"vr": "SQ", "Value": [nested(900)]}}, "functional groups"),
    ],
)
def test_an_instance_of_no_use_says_so(changed: dict[str, object], words: str) -> None:
    told = told_by(ct_slice(), **changed)
    assert words in told.problem
    assert bool(told.problem) is bool(words)
    assert (told.study_uid, told.series_uid) == ("1.2.3", "1.2.3.4")


@pytest.mark.parametrize("value", [70_000, -40_000, 0.5, "512", None, {}, [], True, float("inf")], ids=repr)
def test_a_word_that_is_none_is_absent(value: object) -> None:
    assert told_by(ct_slice(), ROWS={"vr": "US", "Value": [value]}).rows == 0


def test_a_uid_from_json_is_a_uid_in_the_address() -> None:
    told = told_by(ct_slice(), SOP_INSTANCE_UID={"vr": "UI", "Value": ["../../system?x=1"]})
    beginning, _, name = told.source.rpartition("/")
    assert beginning == "studies/1.2.3/series/1.2.3.4/instances"
    assert name.replace(".", "").isdigit()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
tags = st.sampled_from([tag_key(tag) for tag in sorted(f.WANTED)])
elements = st.fixed_dictionaries(
    {},
    optional={"vr": anything, "Value": st.lists(anything, max_size=4) | anything, "InlineBinary": anything},
)


@settings(deadline=None)
@given(content=st.dictionaries(tags | st.text(max_size=8), elements | anything, max_size=12))
def test_whatever_json_holds_comes_to_an_instance(content: dict[str, object]) -> None:
    body = json.dumps([content, as_json(enhanced_ct([1.0, 2.0])) | content]).encode()
    for told in read_headers(Answer(200, "", body, len(body)), "1.2.3", "1.2.3.4"):
        assert isinstance(told, Instance)
        assert (told.study_uid, told.series_uid) == ("1.2.3", "1.2.3.4")


@settings(deadline=None)
@given(body=st.binary(max_size=60) | st.text(alphabet='[]{}",: 0.eN\\', max_size=60).map(str.encode))
def test_whatever_a_body_holds_is_read_or_refused(body: bytes) -> None:
    try:
        found = list(data_sets(body))
    except ArchiveError:
        return
    assert all(isinstance(content, dict) for content in found)


@settings(deadline=None)
@given(
    contents=st.lists(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3)), max_size=5),
    indent=st.none() | st.integers(0, 3),
)
def test_data_sets_are_read_one_by_one_as_json_reads_them_all(
    contents: list[dict[str, Any]], indent: int | None
) -> None:
    assert list(data_sets(json.dumps(contents, indent=indent).encode())) == contents


def test_more_images_than_a_series_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.archive.dicomweb.metadata.MAX_FRAMES", 10)
    body = json.dumps([{}] * 11).encode()
    with pytest.raises(ArchiveError, match="more than 10"):
        read_headers(Answer(200, "", body, len(body)), "1", "2")


boundaries = st.text("abcXYZ0123456789-_'()+,./:=?", min_size=1, max_size=70)


@settings(deadline=None)
@given(
    content=st.binary(max_size=200), boundary=boundaries, preamble=st.sampled_from([b"", b"\r\n", b"x\r\n"])
)
def test_a_part_is_found_whatever_it_holds(content: bytes, boundary: str, preamble: bytes) -> None:
    delimiter = b"--" + boundary.encode()
    body = preamble + delimiter + b"\r\nContent-Type: application/dicom\r\n\r\n" + content
    body += b"\r\n" + delimiter + b"--\r\n"
    kind = f'multipart/related; type="application/dicom"; boundary="{boundary}"'
    assert bytes(dicom_file(kind, body)) == content.partition(b"\r\n" + delimiter)[0]


@settings(deadline=None)
@given(kind=st.text(max_size=60) | st.just("multipart/related; boundary=b"), body=st.binary(max_size=60))
def test_whatever_an_answer_is_gives_bytes_or_a_reason(kind: str, body: bytes) -> None:
    try:
        dicom_file(kind, body)
    except ArchiveError as error:
        assert kind not in str(error) or len(kind) < 3
