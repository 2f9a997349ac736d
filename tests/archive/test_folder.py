"""A folder as an archive: what is found, what is remembered, and what is read again."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from tasks.archive.folder import FolderArchive, ReadChunk
from tasks.archive.memory import Memory
from tasks.archive.rows import File
from tasks.archive.scan import Scan, Window
from tasks.dicom.header import read_header
from tasks.dicom.instance import Instance
from tasks.outcomes import ConfigurationError, StudyEnded
from tasks.select.series import select_series
from tasks.settings import Eligibility, Settings
from tests.archive.files import write_image, write_report


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two studies of three and two images in folders that mean nothing, with other files among them."""
    root = tmp_path / "archive"
    for number in (1, 2, 3):
        write_image(root / f"{number % 2}/a/{number}", number=number)
    write_image(root / "1/b.x", study="1.2.4", series="1.2.4.1", StudyDate="20230102")
    write_image(root / "b.dcm", study="1.2.4", series="1.2.4.2", StudyDate="20230102")
    write_report(root / "1/report.dcm")
    (root / "notes.txt").write_text("no image")
    (root / "empty").touch()
    return root


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory.of_lake(tmp_path / "lake")


def keys(scan: Scan) -> dict[str, str]:
    return {study.study_uid: study.content_key for study in scan.studies}


def touch(path: Path, seconds: float) -> None:
    about = path.stat()
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + int(seconds * 1e9)))


def test_instances_are_grouped_by_uid_and_other_files_counted(root: Path) -> None:
    scan = FolderArchive(root).scan()
    assert [(s.study_uid, s.series, s.instances, s.study_date) for s in scan.studies] == [
        ("1.2.4", 2, 2, date(2023, 1, 2)),
        ("1.2.3", 1, 3, date(2024, 3, 15)),
    ]
    assert (scan.counts.files, scan.counts.read, scan.counts.unreadable) == (8, 8, 0)
    assert scan.counts.passed == {"sr": 1, "not_dicom": 2}


def test_a_study_in_full_is_what_the_header_reader_reads(root: Path, memory: Memory) -> None:
    FolderArchive(root).scan(memory)
    study = FolderArchive(root).scan(memory).study("1.2.3")
    found = {instance.sop_instance_uid: instance for instance in study.series[0].instances}
    for number in (1, 2, 3):
        path = root / f"{number % 2}/a/{number}"
        expected = read_header(path.resolve(), path.stat().st_size)
        assert isinstance(expected, Instance)
        instance = found[f"1.2.3.1.{number}"]
        for name in Instance.__dataclass_fields__:
            if name != "content_token":
                assert getattr(instance, name) == getattr(expected, name), name


def test_an_unknown_study_is_no_study(root: Path) -> None:
    with pytest.raises(KeyError):
        FolderArchive(root).scan().study("9.9")


def test_an_unchanged_archive_is_not_read_again(root: Path, memory: Memory) -> None:
    first = FolderArchive(root).scan(memory)
    index = memory.folder / f"{FolderArchive(root).key}.parquet"
    written = index.stat()
    second = FolderArchive(root).scan(memory)
    assert second.counts.read == 0
    assert (second.studies, second.counts.passed) == (first.studies, first.counts.passed)
    assert index.stat().st_mtime_ns == written.st_mtime_ns


def test_only_new_files_are_read(root: Path, memory: Memory) -> None:
    before = FolderArchive(root).scan(memory)
    write_image(root / "late", number=4)
    after = FolderArchive(root).scan(memory)
    assert (after.counts.read, after.counts.vanished) == (1, 0)
    assert keys(after)["1.2.4"] == keys(before)["1.2.4"]
    assert keys(after)["1.2.3"] != keys(before)["1.2.3"]
    assert len(after.study("1.2.3").series[0].instances) == 4


@pytest.mark.parametrize("how", ["time", "size"])
def test_a_changed_file_is_changed_content(root: Path, memory: Memory, how: str) -> None:
    before = FolderArchive(root).scan(memory)
    path = root / "1/a/1"
    if how == "time":  # the same header and the same size, but perhaps other pixels
        touch(path, 1)
    else:
        about = path.stat()
        path.write_bytes(path.read_bytes() + bytes(2))
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    after = FolderArchive(root).scan(memory)
    assert (after.counts.read, after.counts.vanished) == (1, 0)
    assert keys(after)["1.2.3"] != keys(before)["1.2.3"]
    assert keys(after)["1.2.4"] == keys(before)["1.2.4"]
    tokens = [{i.content_token for i in scan.study("1.2.3").series[0].instances} for scan in (before, after)]
    assert len(tokens[0] - tokens[1]) == 1


def test_vanished_files_are_forgotten(root: Path, memory: Memory) -> None:
    FolderArchive(root).scan(memory)
    shutil.rmtree(root / "1")
    scan = FolderArchive(root).scan(memory)
    assert (scan.counts.vanished, scan.counts.read) == (4, 0)
    assert keys(scan) == keys(FolderArchive(root).scan())
    assert [study.instances for study in scan.studies] == [1, 1]


def test_the_content_key_depends_on_neither_paths_nor_order(root: Path, tmp_path: Path) -> None:
    files = [path for path in root.rglob("*") if path.is_file()]
    random.Random(3).shuffle(files)
    for number, path in enumerate(files):
        target = tmp_path / "moved" / str(number % 3) / f"{number}.bin"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    assert keys(FolderArchive(tmp_path / "moved").scan()) == keys(FolderArchive(root).scan())


def test_copies_of_an_instance_are_one_and_change_nothing(root: Path, memory: Memory) -> None:
    before = FolderArchive(root).scan(memory)
    shutil.copy(root / "1/a/1", root / "copy.dcm")
    touch(root / "copy.dcm", 5)
    after = FolderArchive(root).scan(memory)
    assert after.counts.duplicates == 1
    assert keys(after) == keys(before)
    assert len(after.study("1.2.3").series[0].instances) == 3


def test_of_copies_the_whole_one_is_kept(root: Path) -> None:
    whole = (root / "1/a/1").read_bytes()
    (root / "0.cut").write_bytes(whole[: len(whole) // 2])
    touch(root / "0.cut", -100)
    study = FolderArchive(root).scan().study("1.2.3")
    assert [instance.problem for instance in study.series[0].instances] == ["", "", ""]


def test_a_damaged_file_stays_with_its_study(root: Path) -> None:
    path = root / "1/a/1"
    path.write_bytes(path.read_bytes()[:-120])
    scan = FolderArchive(root).scan()
    assert scan.counts.unreadable == 1
    assert {study.study_uid: study.unreadable for study in scan.studies} == {"1.2.3": 1, "1.2.4": 0}
    study = scan.study("1.2.3")
    assert sum(bool(i.problem) for s in study.series for i in s.instances) + study.unreadable == 1


@pytest.mark.parametrize("damage", ["half", b"", b"PAR1" + bytes(100) + b"PAR1", b"text"])
def test_a_damaged_index_is_built_anew(root: Path, memory: Memory, damage: bytes | str) -> None:
    before = FolderArchive(root).scan(memory)
    index = memory.folder / f"{FolderArchive(root).key}.parquet"
    whole = index.read_bytes()
    index.write_bytes(damage if isinstance(damage, bytes) else whole[: len(whole) // 2])
    after = FolderArchive(root).scan(memory)
    assert (after.counts.read, keys(after)) == (8, keys(before))
    assert FolderArchive(root).scan(memory).counts.read == 0


def test_an_index_of_another_schema_is_built_anew(root: Path, memory: Memory) -> None:
    archive = FolderArchive(root)
    memory.keep(archive.key, pa.table({"path": [b"1/a/1"], "size_bytes": [3]}))
    assert archive.scan(memory).counts.read == 8


def test_the_index_is_private_and_leaves_nothing_beside_it(root: Path, memory: Memory) -> None:
    FolderArchive(root).scan(memory)
    names = [path.name for path in memory.folder.iterdir()]
    assert names == [f"{FolderArchive(root).key}.parquet"]
    assert (memory.folder / names[0]).stat().st_mode & 0o077 == 0
    assert root.name not in names[0]


def test_young_studies_are_left_for_the_next_night(root: Path) -> None:
    for path in root.rglob("*"):
        touch(path, -3600)
    write_image(root / "late", number=4)
    scan = FolderArchive(root).scan(window=Window(settle_minutes=30))
    assert [study.study_uid for study in scan.studies] == ["1.2.4"]
    assert [study.study_uid for study in scan.arriving] == ["1.2.3"]
    touch(root / "late", -3600)
    assert not FolderArchive(root).scan(window=Window(settle_minutes=30)).arriving


@pytest.mark.parametrize(
    ("since", "until", "found", "outside", "undated"),
    [
        (None, None, {"1.2.3", "1.2.4", "1.2.5"}, 0, 0),
        (date(2024, 1, 1), None, {"1.2.3"}, 1, 1),
        (None, date(2023, 1, 2), {"1.2.4"}, 1, 1),
        (date(2023, 1, 2), date(2024, 3, 15), {"1.2.3", "1.2.4"}, 0, 1),
        (date(2023, 1, 3), date(2024, 3, 14), set(), 2, 1),
    ],
)
def test_studies_are_chosen_by_their_date(
    root: Path, since: date | None, until: date | None, found: set[str], outside: int, undated: int
) -> None:
    write_image(root / "undated", study="1.2.5", series="1.2.5.1", StudyDate="")
    scan = FolderArchive(root).scan(window=Window(since, until))
    assert ({study.study_uid for study in scan.studies}, scan.outside, scan.undated) == (
        found,
        outside,
        undated,
    )


def test_links_are_followed_and_loops_end(root: Path) -> None:
    (root / "loop").symlink_to(root)
    (root / "nowhere").symlink_to(root / "absent")
    (root / "again.dcm").symlink_to(root / "b.dcm")
    os.mkfifo(root / "pipe")
    scan = FolderArchive(root).scan()
    assert (scan.counts.files, scan.counts.duplicates) == (9, 1)
    assert {study.study_uid: study.instances for study in scan.studies} == {"1.2.3": 3, "1.2.4": 2}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_counted(root: Path, memory: Memory) -> None:
    (root / "1").chmod(0)
    try:
        assert FolderArchive(root).scan(memory).counts.denied == 1
    finally:
        (root / "1").chmod(0o700)


def test_names_that_are_no_text_are_read(root: Path, memory: Memory) -> None:
    strange = os.fsdecode(b"\xff\xfe n\xe4me")
    (root / "b.dcm").rename(root / strange)
    FolderArchive(root).scan(memory)
    study = FolderArchive(root).scan(memory).study("1.2.4")
    assert {Path(i.source).name for s in study.series for i in s.instances} == {"b.x", strange}
    assert all(Path(i.source).is_file() for s in study.series for i in s.instances)


def test_an_empty_folder_holds_nothing(tmp_path: Path, memory: Memory) -> None:
    for _ in range(2):
        scan = FolderArchive(tmp_path).scan(memory)
        assert (scan.studies, scan.counts.files) == ((), 0)


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_missing_folder_says_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="give the path of an existing folder") as error:
        FolderArchive(tmp_path / name)
    assert name not in str(error.value).split()


def test_reading_may_be_done_by_others_and_tells_how_far_it_is(tmp_path: Path) -> None:
    for number in range(7):
        write_image(tmp_path / str(number), number=number)
    told: list[tuple[int, int]] = []
    sizes: list[int] = []

    def apart(read: ReadChunk, chunks: Iterable[Sequence[File]]) -> Iterable[pa.Table]:
        for chunk in chunks:
            sizes.append(len(chunk))
            yield read(chunk)

    scan = FolderArchive(tmp_path).scan(map_chunks=apart, progress=lambda *far: told.append(far))
    assert (sizes, told, scan.studies[0].instances) == ([7], [(7, 7)], 7)


def test_many_files_are_read_in_processes_as_in_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = FolderArchive(root).scan()
    monkeypatch.setattr("tasks.archive.folder.PARALLEL_FROM_FILES", 1)
    monkeypatch.setattr("tasks.archive.folder.CHUNK_FILES", 3)
    together = FolderArchive(root).scan()
    assert (together.studies, together.counts) == (alone.studies, alone.counts)
    assert together.study("1.2.3").content_key == alone.study("1.2.3").content_key


def test_when_its_processes_die_the_scan_goes_on_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying(ThreadPoolExecutor):
        """Gives the first answer and dies."""

        def map(self, fn: ReadChunk, chunks: Sequence[Sequence[File]]) -> Iterator[pa.Table]:  # type: ignore[override]
            yield fn(chunks[0])
            raise BrokenProcessPool

    monkeypatch.setattr("tasks.archive.folder.PARALLEL_FROM_FILES", 1)
    monkeypatch.setattr("tasks.archive.folder.CHUNK_FILES", 3)
    monkeypatch.setattr("tasks.archive.folder.ProcessPoolExecutor", lambda *_, **__: Dying(1))
    scan = FolderArchive(root).scan()
    assert (scan.counts.read, scan.counts.files) == (8, 8)
    assert {study.study_uid: study.instances for study in scan.studies} == {"1.2.3": 3, "1.2.4": 2}


def test_a_lake_that_cannot_be_written_says_what_to_do(root: Path, tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file, not a folder")
    with pytest.raises(ConfigurationError, match="make it writable"):
        FolderArchive(root).scan(Memory.of_lake(tmp_path / "lake"))


REAL = {
    "chest_ct_unenhanced": "",
    "chest_ct_philips_ffs": "",
    "chest_ct_siemens_3mm": "",
    "chest_ct_philips_5mm": "",
    "chest_ct_partial": "",
    "chest_ct_enhanced": "contrast_enhanced",
    "sagittal_reformat": "derived",
    "syntaxes": "too_few_slices",
    "odd/gantrytilting": "gantry_tilt",
    "odd/notavolume": "too_few_slices",
    "odd/sliceincrement/001": "too_few_slices",
    "odd/sliceincrement/002": "gantry_tilt",
}


@pytest.mark.real_ct
@pytest.mark.parametrize(("folder", "reason"), REAL.items(), ids=REAL)
def test_real_studies_are_selected_or_refused(real_ct: Path, folder: str, reason: str) -> None:
    settings = Settings(eligibility=Eligibility(unknown_age="warn"))
    scan = FolderArchive(real_ct / folder).scan()
    assert len(scan.studies) == 1
    study = scan.study(scan.studies[0].study_uid)
    if reason:
        with pytest.raises(StudyEnded) as ended:
            select_series(study, settings)
        assert ended.value.reason == reason
    else:
        selected = select_series(study, settings)
        assert len(selected.stack.planes) == scan.studies[0].instances
        covers = selected.stack.coverage_mm >= settings.selection.min_coverage_mm
        assert covers == (folder != "chest_ct_partial")
