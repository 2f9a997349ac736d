"""What is new, still arriving or gone in an archive over a network, and what it is asked to find that out."""

from __future__ import annotations

import pickle
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.archive.ledger import read_series, write_series
from tasks.archive.listing import NO_IMAGES, content_key_of
from tasks.archive.memory import Memory
from tasks.archive.peer import ListedSeries
from tasks.archive.remote import CHUNK_STUDIES, MAX_UNANSWERED, RemoteArchive
from tasks.archive.scan import Scan, Window
from tasks.outcomes import ArchiveError, Failed, Reason
from tasks.select.series import judge_study, select_series
from tasks.settings import Settings
from tests.archive.shelf import SHELVES, Shelf, ShelfPeer

SETTLE = Window(settle_minutes=30)


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y%m%d")


@pytest.fixture
def shelf(request: pytest.FixtureRequest) -> Shelf:
    """An archive of three studies."""
    shelf = SHELVES[request.node.name] = Shelf()
    for uid in ("1.1", "1.2", "1.3"):
        shelf.put(uid)
    return shelf


@pytest.fixture
def archive(shelf: Shelf, request: pytest.FixtureRequest) -> RemoteArchive:
    return RemoteArchive(ShelfPeer(request.node.name))


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory.of_lake(tmp_path / "lake")


def keys(scan: Scan) -> dict[str, str]:
    return {study.study_uid: study.content_key for study in scan.studies}


def uids(scan: Scan) -> list[str]:
    return [study.study_uid for study in scan.studies]


def test_series_are_asked_of_new_and_changed_studies_alone(
    shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    first = archive.scan(memory)
    assert (uids(first), first.counts.asked) == (["1.1", "1.2", "1.3"], 3)
    assert shelf.questions("series") == ["1.1", "1.2", "1.3"]
    again = archive.scan(memory)
    assert (keys(again), again.counts.asked) == (keys(first), 0)
    assert shelf.asked == [("studies", "")]
    shelf.put("1.2", instances=40)
    shelf.put("1.4")
    shelf.asked.clear()
    third = archive.scan(memory)
    assert shelf.questions("series") == ["1.2", "1.4"]
    assert uids(third) == ["1.1", "1.2", "1.3", "1.4"]
    assert {uid for uid in keys(first) if keys(first)[uid] != keys(third)[uid]} == {"1.2"}


def test_it_is_told_how_far_a_scan_has_come(archive: RemoteArchive, memory: Memory) -> None:
    told: list[tuple[int, int]] = []
    archive.scan(memory, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    archive.scan(memory, progress=lambda done, total: told.append((done, total)))
    assert len(told) == 3


def test_a_change_without_another_count_is_seen_by_its_time(
    shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    first = archive.scan(memory)
    shelf.put("1.2", changed_s=2000.0)
    second = archive.scan(memory)
    assert {uid for uid in keys(first) if keys(first)[uid] != keys(second)[uid]} == {"1.2"}


def test_images_that_are_replaced_are_seen_by_the_time_of_their_study(
    shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    shelf.tells_series_times = False
    first = archive.scan(memory)
    shelf.put("1.2", changed_s=2000.0)
    second = archive.scan(memory)
    assert {uid for uid in keys(first) if keys(first)[uid] != keys(second)[uid]} == {"1.2"}
    shelf.put("1.2", "1.2.9", modality="SR", changed_s=3000.0)
    third = archive.scan(memory)
    assert keys(third) == keys(second)
    archive.access().confirm(third.study("1.2"))


def test_times_that_are_not_told_for_a_night_make_nothing_new(
    shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    shelf.tells_series_times = False
    first = archive.scan(memory)
    shelf.tells_times = False
    without = archive.scan(memory)
    assert (keys(without), without.counts.asked) == (keys(first), 0)
    shelf.put("1.2", changed_s=2000.0)
    shelf.tells_times = True
    again = archive.scan(memory)
    assert again.counts.asked == 1
    assert {uid for uid in keys(first) if keys(first)[uid] != keys(again)[uid]} == {"1.2"}


def test_times_that_are_told_from_now_on_make_nothing_new(
    shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    shelf.tells_times = shelf.tells_series_times = False
    first = archive.scan(memory)
    shelf.tells_times = True
    assert keys(archive.scan(memory)) == keys(first)
    shelf.put("1.2", changed_s=2000.0)
    third = archive.scan(memory)
    assert {uid for uid in keys(first) if keys(first)[uid] != keys(third)[uid]} == {"1.2"}


@pytest.mark.parametrize("modality", ["SR", "SEG", "OT", "PR", "MR"])
@pytest.mark.parametrize("tells_series_times", [True, False])
def test_a_result_that_is_sent_to_the_archive_does_not_make_its_study_new(
    modality: str, tells_series_times: bool, shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    shelf.tells_series_times = tells_series_times
    first = archive.scan(memory)
    shelf.put("1.2", "1.2.9", modality=modality, changed_s=time.time())
    second = archive.scan(memory, SETTLE)
    assert (keys(second), second.arriving) == (keys(first), ())


def test_an_archive_that_tells_nothing_is_asked_for_every_study(
    shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    shelf.tells_counts = shelf.tells_times = False
    first = archive.scan(memory)
    shelf.asked.clear()
    shelf.put("1.2", "1.2.5")
    second = archive.scan(memory)
    assert shelf.questions("series") == ["1.1", "1.2", "1.3"]
    assert {uid for uid in keys(first) if keys(first)[uid] != keys(second)[uid]} == {"1.2"}


def test_a_study_that_just_changed_is_left_until_it_is_quiet(
    shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    now_s = time.time()
    shelf.put("1.2", changed_s=now_s - 60)
    scan = archive.scan(memory, SETTLE)
    assert [study.study_uid for study in scan.arriving] == ["1.2"]
    assert uids(scan) == ["1.1", "1.3"]
    assert scan.settled_s == pytest.approx(now_s - 60 + 1800)
    assert "1.2" in scan.held
    assert uids(archive.scan(memory)) == ["1.1", "1.2", "1.3"]  # no settle time


def test_a_time_of_change_in_the_future_is_not_believed(
    shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    shelf.put("1.2", changed_s=time.time() + 1e6)
    (arriving,) = archive.scan(memory, SETTLE).arriving
    assert arriving.newest_s <= time.time()


@pytest.mark.parametrize(
    ("study_date", "is_arriving"),
    [("20240315", False), (days_ago(3), False), (days_ago(1), True), (days_ago(0), True), ("", True)],
)
def test_where_no_time_is_told_a_new_study_is_quiet_when_it_is_old(
    study_date: str, is_arriving: bool, shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    shelf.tells_times = False
    shelf.put("1.2", study_date=study_date)
    scan = archive.scan(memory, SETTLE)
    assert [study.study_uid for study in scan.arriving] == ["1.2"] * is_arriving


def test_where_no_time_is_told_a_known_study_counts_from_when_it_was_seen_to_grow(
    shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    shelf.tells_times = False
    archive.scan(memory)
    shelf.put("1.2", instances=40)
    began_s = time.time()
    (arriving,) = archive.scan(memory, SETTLE).arriving
    assert arriving.study_uid == "1.2"
    (still,) = archive.scan(memory, SETTLE).arriving
    assert began_s <= still.newest_s == arriving.newest_s


def test_dates_are_asked_of_the_archive(shelf: Shelf, archive: RemoteArchive, memory: Memory) -> None:
    shelf.put("1.4", study_date="20250101")
    scan = archive.scan(memory, Window(since=date(2025, 1, 1)))
    assert uids(scan) == ["1.4"]
    assert shelf.questions("series") == ["1.4"]
    assert len(archive.scan(memory).studies) == 4
    assert shelf.questions("series") == ["1.1", "1.2", "1.3"]


def test_a_window_forgets_nothing(shelf: Shelf, archive: RemoteArchive, memory: Memory) -> None:
    archive.scan(memory)
    archive.scan(memory, Window(since=date(2025, 1, 1)))
    assert archive.scan(memory).counts.asked == 0


def test_what_a_list_missed_is_asked_for_by_name(shelf: Shelf, archive: RemoteArchive) -> None:
    shelf.take("1.2")
    assert archive.lost(["1.2", "1.3"]) == {"1.2"}


def test_studies_without_images_are_not_found(shelf: Shelf, archive: RemoteArchive) -> None:
    for number, modality in enumerate(sorted(NO_IMAGES)):
        shelf.put(f"2.{number}", modality=modality)
    assert uids(archive.scan()) == ["1.1", "1.2", "1.3"]


def test_one_study_without_an_answer_is_found_and_fails_for_it(
    shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    shelf.silent = {"1.2"}
    scan = archive.scan(memory)
    assert uids(scan) == ["1.1", "1.2", "1.3"]
    study = scan.study("1.2")
    assert study.any_instance().identity.patient_id == "P-1.2"
    with pytest.raises(Failed) as failed:
        archive.access().headers(study)
    assert failed.value.reason is Reason.ARCHIVE_UNAVAILABLE
    shelf.silent = set()
    shelf.asked.clear()
    archive.scan(memory)
    assert shelf.questions("series") == ["1.2"]


def test_a_study_whose_listed_series_are_not_told_is_found_and_asked_again(
    shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    told = shelf.series.pop("1.2")
    study = archive.scan(memory).study("1.2")
    with pytest.raises(Failed) as failed:
        archive.access().headers(study)
    assert failed.value.reason is Reason.ARCHIVE_UNAVAILABLE
    shelf.series["1.2"] = told
    shelf.asked.clear()
    study = archive.scan(memory).study("1.2")
    assert shelf.questions("series") == ["1.2"]
    assert len(archive.access().headers(study).series) == 1


def test_an_archive_that_falls_silent_ends_the_scan_and_what_it_told_is_kept(
    shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    shelf.silent = {f"2.{number}" for number in range(3 * MAX_UNANSWERED)}
    for uid in shelf.silent:
        shelf.put(uid)
    with pytest.raises(ArchiveError):
        archive.scan(memory)
    silent, shelf.silent = shelf.silent, set()
    shelf.asked.clear()
    archive.scan(memory)
    assert shelf.questions("series") == sorted(silent)


def test_more_studies_than_a_chunk_are_all_found(
    archive: RemoteArchive, shelf: Shelf, memory: Memory
) -> None:
    for number in range(CHUNK_STUDIES):
        shelf.put(f"3.{number}")
    assert len(archive.scan(memory).studies) == CHUNK_STUDIES + 3
    assert archive.scan(memory).counts.asked == 0


def test_what_is_remembered_names_nobody_and_is_for_its_owner(
    shelf: Shelf, archive: RemoteArchive, memory: Memory
) -> None:
    archive.scan(memory)
    (path,) = memory.folder.iterdir()
    assert path.stem == archive.key
    assert path.stat().st_mode & 0o077 == 0
    assert b"P-1." not in path.read_bytes()


def test_a_damaged_memory_is_none(shelf: Shelf, archive: RemoteArchive, memory: Memory) -> None:
    archive.scan(memory)
    (path,) = memory.folder.iterdir()
    path.write_bytes(path.read_bytes()[:50])
    assert archive.scan(memory).counts.asked == 3


def test_a_study_as_listed_tells_what_each_series_is(shelf: Shelf, archive: RemoteArchive) -> None:
    shelf.put("1.2", "1.2.2", modality="MR", instances=7)
    shelf.put("1.2", "1.2.3", modality="SR", instances=1)
    study = archive.scan().study("1.2")
    assert {series.series_uid: len(series.instances) for series in study.series} == {"1.2.1": 20, "1.2.2": 7}
    reasons = {item.series_uid: item.reason for item in judge_study(study, Settings())}
    assert reasons["1.2.2"] is Reason.NOT_CT


def test_headers_are_asked_of_series_that_may_be_measured(shelf: Shelf, archive: RemoteArchive) -> None:
    shelf.put("1.2", instances=150)
    shelf.put("1.2", "1.2.2", modality="MR", instances=7)
    study = archive.access().headers(archive.scan().study("1.2"))
    selected = select_series(study, Settings())
    assert (selected.series_uid, len(selected.stack.planes)) == ("1.2.1", 150)
    assert {series.series_uid: len(series.instances) for series in study.series} == {"1.2.1": 150, "1.2.2": 7}


def test_a_study_without_ct_is_asked_for_nothing_more(shelf: Shelf, archive: RemoteArchive) -> None:
    shelf.put("1.5", modality="MR")
    study = archive.scan().study("1.5")
    shelf.asked.clear()
    assert archive.access().headers(study) == study
    assert shelf.asked == []


@pytest.mark.parametrize("instances", [0, 19, 21])
def test_a_study_that_changed_since_it_was_listed_is_not_read(
    instances: int, shelf: Shelf, archive: RemoteArchive
) -> None:
    study = archive.scan().study("1.2")
    shelf.put("1.2", instances=instances)
    with pytest.raises(Failed, match=f"has {instances} images") as failed:
        archive.access().headers(study)
    assert failed.value.reason.is_transient


def test_what_was_read_of_a_study_that_changed_meanwhile_does_not_stand(
    shelf: Shelf, archive: RemoteArchive
) -> None:
    access = archive.access()
    study = access.headers(archive.scan().study("1.2"))
    access.confirm(study)
    shelf.put("1.2", "1.2.9", modality="SR")
    access.confirm(study)
    shelf.put("1.2", "1.2.2")
    with pytest.raises(Failed, match="20 images listed before, 40 after") as failed:
        access.confirm(study)
    assert failed.value.reason.is_transient


def test_a_silent_archive_ends_a_study_by_name(shelf: Shelf, archive: RemoteArchive) -> None:
    study = archive.scan().study("1.2")
    shelf.silent = {"*"}
    with pytest.raises(Failed) as failed:
        archive.access().confirm(study)
    assert failed.value.reason is Reason.ARCHIVE_UNAVAILABLE


def test_copies_of_an_access_share_one_connection(archive: RemoteArchive) -> None:
    first, second = (pickle.loads(pickle.dumps(archive.access())) for _ in range(2))  # noqa: S301
    assert first is second


texts = st.text(max_size=8)
numbers = st.none() | st.integers(0, 10**6)
moments = st.none() | st.floats(0, 1e10)
modalities = st.sampled_from(["CT", "", "MR", "SR"])
listed_series = st.builds(ListedSeries, texts, modalities, numbers, numbers, texts, moments)
lists_of_series = st.lists(listed_series, max_size=5, unique_by=lambda item: item.series_uid)


@given(lists_of_series)
def test_series_are_remembered_as_they_were(listed: list[ListedSeries]) -> None:
    assert read_series(write_series(tuple(listed))) == tuple(listed)


@given(lists_of_series)
def test_the_content_key_is_of_what_may_be_measured_in_any_order(listed: list[ListedSeries]) -> None:
    measured = [item for item in listed if item.modality in ("CT", "")]
    assert content_key_of(listed) == content_key_of(reversed(measured))
