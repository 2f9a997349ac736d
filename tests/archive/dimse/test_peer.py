"""`DimsePeer` over a real Orthanc: what it lists, the headers it gives, and the bytes that come."""

from __future__ import annotations

import dataclasses
import logging
import pickle
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from tasks.archive.dimse import DimsePeer
from tasks.archive.peer import ListedSeries, ListedStudy
from tasks.dicom.header import read_header
from tasks.dicom.instance import Instance
from tests.archive.dimse.conftest import SERIES, SLICES, STUDY, settings
from tests.archive.files import write_image
from tests.archive.orthanc import Orthanc

pytestmark = pytest.mark.orthanc

# What only a file has; an index tells nothing of it, and `open` does.
OF_A_FILE = {"source", "size_bytes", "content_token", "pixel_offset", "pixel_length", "padding_value"}
DAY = date(2024, 3, 15)


def only_study(peer: DimsePeer) -> ListedStudy:
    return next(study for study in peer.studies(None, None) if study.study_uid == STUDY)


def real(path: Path) -> Instance:
    header = read_header(path, path.stat().st_size)
    assert isinstance(header, Instance)
    return header


def without_file(instance: Instance) -> dict[str, object]:
    fields = (field.name for field in dataclasses.fields(instance))
    return {name: getattr(instance, name) for name in fields if name not in OF_A_FILE}


def test_a_study_is_listed_with_counts_and_identity(peer: DimsePeer) -> None:
    study = only_study(peer)
    assert (study.study_date, study.series, study.instances) == ("20240315", 1, SLICES)
    assert study.identity.patient_id == "P-1"


@pytest.mark.parametrize(
    ("since", "until", "is_found"),
    [
        (None, None, True),
        (DAY, DAY, True),
        (DAY, None, True),
        (None, DAY, True),
        (date(2024, 3, 14), date(2024, 3, 16), True),
        (date(2024, 3, 16), None, False),
        (None, date(2024, 3, 14), False),
    ],
)
def test_days_are_both_included(
    peer: DimsePeer, since: date | None, until: date | None, is_found: bool
) -> None:
    assert (STUDY in {study.study_uid for study in peer.studies(since, until)}) is is_found


def test_the_series_of_a_study_are_listed(peer: DimsePeer) -> None:
    (series,) = peer.series(STUDY)
    assert (series.series_uid, series.modality, series.instances) == (SERIES, "CT", SLICES)


def test_a_study_that_is_not_there_has_no_series(peer: DimsePeer) -> None:
    assert peer.series("1.2.3.4.5.6.7.8") == ()


def test_headers_are_those_of_the_files(peer: DimsePeer, slices: list[Path]) -> None:
    headers = peer.headers(only_study(peer), peer.series(STUDY))
    found = {header.sop_instance_uid: without_file(header) for header in headers}
    assert found == {(header := real(path)).sop_instance_uid: without_file(header) for path in slices}


def test_few_instances_are_fetched_for_headers(peer: DimsePeer) -> None:
    headers = peer.headers(only_study(peer), peer.series(STUDY))
    assert sum(header.size_bytes > 0 for header in headers) == 3


def test_an_instance_comes_as_its_file(peer: DimsePeer, slices: list[Path]) -> None:
    headers = peer.headers(only_study(peer), peer.series(STUDY))
    source = peer.source()
    source.want(headers)
    for header in headers:
        instance, read = source.open(header)
        path = slices[(header.instance_number or 0) - 1]
        expected = dcmread(path)
        assert without_file(instance) == without_file(real(path))
        assert instance.pixel_offset is not None
        assert read(instance.pixel_offset, 8) == expected.PixelData
        assert dcmread(BytesIO(read(0, instance.size_bytes))).SOPInstanceUID == header.sop_instance_uid
    source.close()


def test_what_came_is_counted_once(peer: DimsePeer) -> None:
    headers = peer.headers(only_study(peer), peer.series(STUDY))
    source = peer.source()
    assert source.bytes_read == 0
    wanted = [header for header in headers if not header.size_bytes][:5]
    sizes = [header.size_bytes for header in headers]
    for header in wanted:
        instance, _ = source.open(header)
        sizes.append(instance.size_bytes)
        source.open(header)
    assert source.bytes_read == sum(sizes)
    source.close()


def test_a_peer_that_was_sent_to_another_process_answers_there(peer: DimsePeer) -> None:
    sent = pickle.loads(pickle.dumps(peer))  # noqa: S301 - our own
    assert sent.key == peer.key
    assert only_study(sent) == only_study(peer)


def test_the_key_names_the_archive_and_tells_nothing_of_it(full_orthanc: Orthanc) -> None:
    one, other = (
        DimsePeer(f"{full_orthanc.dimse}{query}", settings()) for query in ("", "?calling=SOMEBODY")
    )
    assert one.key == other.key
    assert one.key != DimsePeer("dimse://ORTHANC@elsewhere", settings()).key
    assert "ORTHANC" not in one.key


def test_text_comes_in_whatever_character_set_it_was_written(
    full_orthanc: Orthanc, peer: DimsePeer, tmp_path: Path
) -> None:
    path = write_image(
        tmp_path / "latin.dcm",
        study="1.2.77",
        series="1.2.77.1",
        SpecificCharacterSet="ISO_IR 100",
        PatientID="Ä-7",
        PatientName="Müller^Jörg",
        StudyDescription="Thorax für Prüfung",
    )
    full_orthanc.store([path])
    (study,) = (study for study in peer.studies(None, None) if study.study_uid == "1.2.77")
    assert study.identity == real(path).identity
    assert study.description == "Thorax für Prüfung"


def test_nothing_of_a_patient_is_logged(peer: DimsePeer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        headers = peer.headers(only_study(peer), peer.series(STUDY))
        source = peer.source()
        source.open(headers[0])
        source.close()
    assert "P-1" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("pynetdicom")]


def test_a_series_of_few_instances_is_fetched_whole(
    full_orthanc: Orthanc, peer: DimsePeer, tmp_path: Path
) -> None:
    full_orthanc.store(
        [write_image(tmp_path / f"{n}.dcm", study="1.2.78", series="1.2.78.1", number=n) for n in range(1, 4)]
    )
    headers = peer.headers(ListedStudy("1.2.78"), [ListedSeries("1.2.78.1")])
    assert len(headers) == 3
    assert all(header.size_bytes for header in headers)
