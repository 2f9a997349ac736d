"""A DICOMweb archive as a night asks it, against a real Orthanc."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import date
from pathlib import Path

import pytest

from tasks.archive.dicomweb import DicomWebPeer
from tasks.archive.peer import ListedStudy
from tasks.dicom.header import read_header
from tasks.dicom.instance import Instance
from tasks.outcomes import Failed, Reason
from tests.archive.dicomweb.conftest import MakePeer
from tests.archive.files import write_image
from tests.archive.orthanc import Orthanc

pytestmark = pytest.mark.orthanc

# What metadata do not tell: the instance itself does.
UNTOLD = {"source", "size_bytes", "content_token", "pixel_offset", "pixel_length", "transfer_syntax_uid"}


@pytest.fixture
def peer(filled: Orthanc, peer_at: MakePeer) -> DicomWebPeer:
    return peer_at(filled.dicom_web)


def uids(studies: Iterator[ListedStudy]) -> list[str]:
    return sorted(study.study_uid for study in studies)


@pytest.mark.parametrize("page_size", [1, 2, 500])
def test_every_study_is_listed_once_whatever_a_page_holds(
    filled: Orthanc, peer_at: MakePeer, page_size: int
) -> None:
    peer = peer_at(filled.dicom_web, page_size=page_size)
    assert uids(peer.studies(None, None)) == ["1.2.3", "1.2.4", "1.2.5"]
    assert sorted(series.series_uid for series in peer.series("1.2.3")) == ["1.2.3.1", "1.2.3.2"]


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (date(2024, 1, 1), None, ["1.2.3"]),
        (None, date(2023, 12, 31), ["1.2.4", "1.2.5"]),
        (date(2023, 1, 2), date(2024, 3, 15), ["1.2.3", "1.2.4"]),
        (date(2023, 1, 3), date(2024, 3, 14), []),
    ],
)
def test_days_bound_the_list(
    peer: DicomWebPeer, since: date | None, until: date | None, found: Sequence[str]
) -> None:
    assert uids(peer.studies(since, until)) == found


def test_a_listed_study_says_what_a_night_needs(peer: DicomWebPeer) -> None:
    (study,) = peer.studies(date(2024, 1, 1), None)
    assert (study.study_date, study.series, study.instances) == ("20240315", 2, 5)
    assert study.identity.patient_id == "P-1"
    by_uid = {series.series_uid: series for series in peer.series("1.2.3")}
    assert (by_uid["1.2.3.2"].modality, by_uid["1.2.3.2"].instances) == ("CT", 2)
    assert by_uid["1.2.3.2"].series_number == 7


def test_what_is_not_there_is_nothing(peer: DicomWebPeer) -> None:
    assert peer.series("9.9.9") == ()
    study = ListedStudy("9.9.9")
    (series, *_) = peer.series("1.2.3")
    assert peer.headers(study, [series]) == ()


def test_headers_say_what_the_files_say(peer: DicomWebPeer, files: list[Path]) -> None:
    study = ListedStudy("1.2.3")
    found = {instance.sop_instance_uid: instance for instance in peer.headers(study, peer.series("1.2.3"))}
    assert len(found) == 5
    for path in files[:5]:
        of_file = read_header(path, path.stat().st_size)
        assert isinstance(of_file, Instance)
        for field in fields(Instance):
            if field.name not in UNTOLD:
                told = getattr(found[of_file.sop_instance_uid], field.name)
                assert told == getattr(of_file, field.name), field.name


def test_instances_come_byte_for_byte_as_they_were_sent(peer: DicomWebPeer, files: list[Path]) -> None:
    headers = peer.headers(ListedStudy("1.2.3"), peer.series("1.2.3"))
    contents = {path.read_bytes()[128:] for path in files}
    source = peer.source()
    source.want(headers)
    for listed in headers:
        instance, read = source.open(listed)
        assert read(128, instance.size_bytes) in contents
        assert read(instance.pixel_offset or 0, 8) == bytes(8)
        assert instance.sop_instance_uid == listed.sop_instance_uid
    assert source.bytes_read >= sum(path.stat().st_size for path in files[:5])
    source.close()


def test_an_instance_that_is_gone_ends_the_study(peer: DicomWebPeer, filled: Orthanc, tmp_path: Path) -> None:
    filled.store([write_image(tmp_path / "x", study="1.2.7", series="1.2.7.1", StudyDate="19990101")])
    (listed,) = peer.headers(ListedStudy("1.2.7"), peer.series("1.2.7"))
    filled.delete_study("1.2.7")
    source = peer.source()
    with pytest.raises(Failed) as ended:
        source.open(listed)
    assert ended.value.reason is Reason.ARCHIVE_UNAVAILABLE
    assert "404" in ended.value.detail


def test_a_peer_may_be_sent_to_another_process(peer: DicomWebPeer) -> None:
    again = pickle.loads(pickle.dumps(peer))  # noqa: S301 - our own
    assert (again.key, uids(again.studies(None, None))) == (peer.key, ["1.2.3", "1.2.4", "1.2.5"])
    assert "127.0.0.1" not in peer.key + repr(peer)
