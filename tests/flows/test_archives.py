"""Nights over a hospital's archive: real CT in a real Orthanc, by DICOMweb, by DIMSE, and from a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid

from tests.archive.orthanc import LOOPBACK, Orthanc, running_orthanc
from tests.archive.relay import Relay, relaying
from tests.flows.command import Answer, osteoscreen, table

CHEST, ENHANCED, SAGITTAL = "chest_ct_unenhanced", "chest_ct_enhanced", "sagittal_reformat"
STUDIES = (CHEST, ENHANCED, SAGITTAL)
# Of the chest's bytes, whatever else the night asked for included. Source: issue 3.
MAX_MOVED = 0.45
# A list of three studies, and what it takes to ask for it.
MAX_QUIET_BYTES = 100_000
# What says when, where and how dear, not what was found.
OWN = {"run_id", "screened_at", "content_key", "archive_key", "explain_path", "bytes_total", "bytes_read"}


@dataclass
class Night:
    """A night by one way.

    Attributes:
        address: of the archive, through the relay.
        moved: bytes that the archive sent.
    """

    address: str
    lake: Path
    answer: Answer
    relay: Relay | None
    moved: int

    def again(self) -> dict[str, object]:
        """Another night; its tally."""
        answer = night_over(self.address, self.lake)
        assert answer.status == 0, answer.err
        tally: dict[str, object] = json.loads(answer.out)
        return tally


def night_over(address: str | Path, lake: Path, **settings: str) -> Answer:
    return osteoscreen(
        "screen",
        str(address),
        "--lake",
        lake,
        "--json",
        cwd=lake.parent,
        **{"SETTLE_MINUTES": "0", "KEEP_PICTURES": "false", "CLUSTER__WORKERS": "1", **settings},
    )


def files_of(real_ct: Path, *names: str) -> list[Path]:
    found = (path for name in names for path in sorted((real_ct / name).rglob("*")) if path.is_file())
    return [path for path in found if path.read_bytes()[128:132] == b"DICM"]


@pytest.fixture(scope="module")
def orthanc(real_ct: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        files = files_of(real_ct, *STUDIES)
        assert server.store(files) == len(files)
        yield server


@pytest.fixture(scope="module")
def nights(
    orthanc: Orthanc, real_ct: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Night]]:
    """One night by each way, each into a lake of its own."""
    place = tmp_path_factory.mktemp("nights")
    folder = place / "images"
    folder.mkdir()
    for name in STUDIES:
        (folder / name).symlink_to(real_ct / name)
    with relaying(orthanc.http_port) as web, relaying(orthanc.dicom_port) as dimse:
        ways: dict[str, tuple[str, Relay | None]] = {
            "folder": (str(folder), None),
            "dicomweb": (f"http://{LOOPBACK}:{web.port}/dicom-web", web),
            "dimse": (f"dimse://{orthanc.aet}@{LOOPBACK}:{dimse.port}", dimse),
        }
        ended = {}
        for way, (address, relay) in ways.items():
            answer = night_over(address, place / way)
            ended[way] = Night(address, place / way, answer, relay, relay.to_client if relay else 0)
        yield ended


def found(lake: Path, name: str) -> list[dict[str, object]]:
    """What a table of a lake says was found, without what differs from night to night."""
    rows = table(lake, name).to_pylist()
    kept = [
        {column: value for column, value in row.items() if column not in OWN and "seconds" not in column}
        for row in rows
    ]
    return sorted(kept, key=lambda row: (str(row["study_uid"]), str(row.get("position", ""))))


def rows(lake: Path) -> list[dict[str, object]]:
    return list(table(lake, "screenings").to_pylist())


def uid_of(real_ct: Path, name: str) -> str:
    return str(pydicom.dcmread(files_of(real_ct, name)[0], stop_before_pixels=True).StudyInstanceUID)


@pytest.mark.slow
@pytest.mark.orthanc
@pytest.mark.real_ct
@pytest.mark.triton
@pytest.mark.parametrize("way", ["dicomweb", "dimse"])
class TestRealChests:
    """The judge of all: the same row, however a study came in."""

    def test_the_rows_are_those_of_the_folder(self, way: str, nights: dict[str, Night]) -> None:
        for night in (nights["folder"], nights[way]):
            assert night.answer.status == 0, night.answer.err
            assert json.loads(night.answer.out)["scored"] == 1
        for name in ("screenings", "vertebrae"):
            assert found(nights[way].lake, name) == found(nights["folder"].lake, name)

    def test_less_than_half_of_the_chest_came_over_the_network(
        self, way: str, nights: dict[str, Night], real_ct: Path
    ) -> None:
        size = sum(path.stat().st_size for path in files_of(real_ct, CHEST))
        assert nights[way].moved <= MAX_MOVED * size

    def test_the_run_names_the_kind_of_archive_and_no_address(
        self, way: str, nights: dict[str, Night]
    ) -> None:
        night = nights[way]
        (run, *_) = table(night.lake, "runs").to_pylist()
        assert run["archive"] == way
        port = night.address.rpartition(":")[2].partition("/")[0]
        for path in night.lake.rglob("*.json"):
            assert port not in path.read_text()
        assert port not in str(table(night.lake, "runs").to_pylist())

    def test_a_second_night_asks_for_the_list_alone(self, way: str, nights: dict[str, Night]) -> None:
        night = nights[way]
        assert night.relay is not None
        before = night.relay.to_client
        tally = night.again()
        assert (tally["found"], tally["unchanged"]) == (3, 3)
        assert night.relay.to_client - before < MAX_QUIET_BYTES


@pytest.mark.slow
@pytest.mark.orthanc
@pytest.mark.real_ct
@pytest.mark.triton
def test_a_night_finds_what_grew_and_what_is_gone(
    nights: dict[str, Night], orthanc: Orthanc, real_ct: Path
) -> None:
    image = pydicom.dcmread(files_of(real_ct, SAGITTAL)[0])
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    copy = nights["dicomweb"].lake.parent / "grown.dcm"
    image.save_as(copy)
    orthanc.store([copy])
    orthanc.delete_study(uid_of(real_ct, ENHANCED))
    night = nights["dicomweb"]
    before = {row["study_uid"]: row for row in rows(night.lake)}
    tally = night.again()
    assert (tally["found"], tally["unchanged"], tally["gone"]) == (2, 1, 1)
    grown, gone, chest = (uid_of(real_ct, name) for name in (SAGITTAL, ENHANCED, CHEST))
    after = rows(night.lake)
    assert sorted(row["superseded_at"] is None for row in after if row["study_uid"] == grown) == [False, True]
    assert {row["study_uid"] for row in after if row["archive_gone_at"]} == {gone}
    assert [row for row in after if row["study_uid"] == chest] == [before[chest]]
    assert night.again()["gone"] == 0


@pytest.mark.slow
@pytest.mark.orthanc
@pytest.mark.real_ct
def test_what_has_just_come_is_left_for_a_later_night(
    orthanc: Orthanc, real_ct: Path, tmp_path: Path
) -> None:
    orthanc.store(files_of(real_ct, SAGITTAL))
    answer = osteoscreen(
        "screen", orthanc.dicom_web, "--lake", tmp_path / "lake", "--json", cwd=tmp_path
    )  # no settle time is set: 30 minutes for an archive over a network
    tally = json.loads(answer.out)
    assert (answer.status, tally["found"]) == (0, 0)
    assert tally["arriving"] >= 2
    assert tally["settled_at"] is not None


@pytest.mark.parametrize(
    "address",
    ["ftp://archive/images", "https://night:secret@archive/dicom-web", "dimse://archive", "nowhere"],
)
def test_an_address_that_is_none_is_a_usage_error(address: str, tmp_path: Path) -> None:
    answer = osteoscreen("screen", address, "--lake", tmp_path / "lake", cwd=tmp_path)
    assert (answer.status, answer.out) == (2, "")
    assert len(answer.err.strip().splitlines()) == 1
    assert "secret" not in answer.err
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/dicom-web",
        pytest.param("dimse://ARCHIVE@127.0.0.1:1", marks=pytest.mark.slow),
    ],
)
def test_an_archive_that_does_not_answer_ends_the_run_in_one_sentence(address: str, tmp_path: Path) -> None:
    answer = osteoscreen("screen", address, "--lake", tmp_path / "lake", cwd=tmp_path, NETWORK__RETRIES="0")
    assert (answer.status, answer.out) == (3, "")
    assert len(answer.err.strip().splitlines()) == 1
    assert "Traceback" not in answer.err
    (run,) = table(tmp_path / "lake", "runs").to_pylist()
    assert (run["status"], run["problem"]) == ("failed", "ArchiveError")
