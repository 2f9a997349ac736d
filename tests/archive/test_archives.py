"""One small archive, three ways in: a folder, and a real Orthanc by DICOMweb and by DIMSE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.archive.archive import Archive, open_archive
from tasks.archive.memory import Memory
from tasks.archive.scan import Window
from tasks.dicom.instance import Study
from tasks.outcomes import ConfigurationError, Failed, Reason
from tasks.select.series import eligible_series
from tasks.settings import Settings
from tests.archive.files import write_image, write_report
from tests.archive.orthanc import Orthanc

pytestmark = pytest.mark.orthanc

STUDY, OTHER = "1.2.826.1", "1.2.826.2"
SLICES = 24
SETTINGS = Settings()
SETTLE = Window(settle_minutes=30)
WAYS = ("folder", "dicomweb", "dimse")
REMOTE = WAYS[1:]

Open = Callable[[str], Archive]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory.of_lake(tmp_path / "lake")


@pytest.fixture
def opened(orthanc: Orthanc, folder: Path) -> Open:
    """Opens the archive, filled with two studies, in one of three ways."""
    for study in (STUDY, OTHER):
        orthanc.delete_study(study)
    for number in range(1, SLICES + 1):
        write(folder, number, PixelData=bytes([number] * 8))
    write(folder, 1, study=OTHER)
    orthanc.store(folder.rglob("*.dcm"))
    addresses = {"folder": str(folder), "dicomweb": orthanc.dicom_web, "dimse": orthanc.dimse}
    return lambda way: open_archive(addresses[way], SETTINGS)


def write(folder: Path, number: int, study: str = STUDY, **values: object) -> Path:
    return write_image(
        folder / study / f"{number}.dcm",
        study=study,
        series=f"{study}.1",
        number=number,
        **{
            "StudyDate": "20240315",
            "PatientAge": "070Y",
            "PatientSex": "F",
            "IssuerOfPatientID": "HOSPITAL",
            "SeriesDescription": "Thorax 1.0",
            "KVP": 120,
            **values,
        },
    )


def in_full(archive: Archive, memory: Memory | None = None) -> Study:
    return archive.access().headers(archive.scan(memory).study(STUDY))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_names_its_kind_and_finds_the_same_studies(way: str, opened: Open) -> None:
    archive = opened(way)
    assert archive.kind == way
    scan = archive.scan()
    assert {study.study_uid: str(study.study_date) for study in scan.studies} == {
        STUDY: "2024-03-15",
        OTHER: "2024-03-15",
    }


@pytest.mark.parametrize("way", REMOTE)
def test_every_way_selects_the_same_slices_of_the_same_person(way: str, opened: Open) -> None:
    ours, theirs = in_full(opened("folder")), in_full(opened(way))
    (one,), (other,) = eligible_series(ours, SETTINGS), eligible_series(theirs, SETTINGS)
    assert replace(other, stack=one.stack) == one
    assert [plane.along_mm for plane in other.stack.planes] == [plane.along_mm for plane in one.stack.planes]
    uids = [[plane.instance.sop_instance_uid for plane in each.stack.planes] for each in (one, other)]
    assert uids[0] == uids[1]
    assert theirs.any_instance().identity == ours.any_instance().identity


@pytest.mark.parametrize("way", REMOTE)
def test_what_is_delivered_is_what_lies_in_the_file(way: str, opened: Open, folder: Path) -> None:
    access = opened(way).access()
    source = access.instances()
    study = access.headers(opened(way).scan().study(STUDY))
    wanted = sorted(study.series[0].instances, key=lambda item: item.frames[0].position_mm or ())[10:13]
    source.want(wanted)
    for number, listed in enumerate(wanted, start=11):
        delivered, read = source.open(listed)
        assert delivered.instance_number == number
        assert delivered.pixel_offset is not None
        assert read(delivered.pixel_offset, 8) == bytes([number] * 8)
    assert source.bytes_read < 20_000
    source.close()


@pytest.mark.parametrize("way", REMOTE)
def test_the_second_scan_asks_for_no_series(way: str, opened: Open, memory: Memory) -> None:
    assert opened(way).scan(memory).counts.asked == 2
    assert opened(way).scan(memory).counts.asked == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_study_that_grows_has_another_content(
    way: str, opened: Open, folder: Path, orthanc: Orthanc, memory: Memory
) -> None:
    archive = opened(way)
    before = {study.study_uid: study.content_key for study in archive.scan(memory).studies}
    orthanc.store([write(folder, SLICES + 1)])
    after = {study.study_uid: study.content_key for study in archive.scan(memory).studies}
    assert {uid for uid in before if before[uid] != after[uid]} == {STUDY}


@pytest.mark.parametrize("way", REMOTE)
def test_a_report_that_comes_back_changes_nothing(
    way: str, opened: Open, folder: Path, orthanc: Orthanc, memory: Memory
) -> None:
    archive = opened(way)
    before = archive.scan(memory)
    orthanc.store([write_report(folder / "report.dcm", study=STUDY)])
    after = archive.scan(memory)
    assert [study.content_key for study in after.studies] == [study.content_key for study in before.studies]
    archive.access().confirm(after.study(STUDY))


@pytest.mark.parametrize("way", REMOTE)
def test_a_study_that_grows_while_it_is_read_does_not_stand(
    way: str, opened: Open, folder: Path, orthanc: Orthanc
) -> None:
    archive = opened(way)
    listed = archive.scan().study(STUDY)
    access = archive.access()
    study = access.headers(listed)
    access.confirm(study)
    orthanc.store([write(folder, SLICES + 1)])
    for late in (lambda: access.confirm(study), lambda: access.headers(listed)):
        with pytest.raises(Failed, match="changed") as failed:
            late()
        assert failed.value.reason is Reason.ARCHIVE_UNAVAILABLE


def test_orthanc_tells_when_a_study_changed(opened: Open) -> None:
    scan = opened("dicomweb").scan(None, SETTLE)
    assert {study.study_uid for study in scan.arriving} == {STUDY, OTHER}


def test_where_no_time_is_told_old_studies_are_taken_at_once(opened: Open) -> None:
    assert len(opened("dimse").scan(None, SETTLE).studies) == 2


@pytest.mark.parametrize("way", WAYS)
def test_a_study_that_is_gone_is_not_held(way: str, opened: Open, folder: Path, orthanc: Orthanc) -> None:
    archive = opened(way)
    orthanc.delete_study(OTHER)
    (folder / OTHER / "1.dcm").unlink()
    assert archive.scan().held == {STUDY}
    assert archive.lost([OTHER]) == {OTHER}


@pytest.mark.parametrize(
    "address",
    [
        "ftp://archive/dicom",
        "https://user:secret@archive/dicom-web",
        "https://user@archive/dicom-web",
        "http://",
        "dimse://archive",
        "dimse://AET@archive:port",
        "/nowhere/at/all",
    ],
)
def test_an_address_that_is_none_is_said_to_be_so_without_showing_it(address: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        open_archive(address, SETTINGS)
    assert "secret" not in str(error.value)
    assert address not in str(error.value)
