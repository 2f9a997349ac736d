"""What a plan counts by: the list alone from a network archive, headers from a folder."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from flows.calendar.census import count_days
from tasks.archive.folder import FolderArchive
from tasks.archive.memory import Memory
from tasks.archive.remote import RemoteArchive
from tasks.archive.scan import Outline, Window
from tests.archive.files import write_image
from tests.archive.shelf import SHELVES, Shelf, ShelfPeer

MARCH = Window(date(2024, 3, 1), date(2024, 3, 31))


@pytest.fixture
def shelf(request: pytest.FixtureRequest) -> Shelf:
    """Two studies of March and one of April."""
    shelf = SHELVES[request.node.name] = Shelf()
    for uid, day in (("1.1", "20240315"), ("1.2", "20240316"), ("1.3", "20240401")):
        shelf.put(uid, study_date=day)
    return shelf


@pytest.fixture
def archive(shelf: Shelf, request: pytest.FixtureRequest) -> RemoteArchive:
    return RemoteArchive(ShelfPeer(request.node.name))


def test_a_network_archive_is_asked_for_its_list_and_no_study(shelf: Shelf, archive: RemoteArchive) -> None:
    found = sorted(archive.outline(None, MARCH), key=lambda study: study.study_uid)
    assert [(study.study_uid, study.study_date) for study in found] == [
        ("1.1", date(2024, 3, 15)),
        ("1.2", date(2024, 3, 16)),
    ]
    assert {question for question, _ in shelf.asked} == {"studies"}


def test_the_content_is_told_where_an_earlier_night_learned_it(
    shelf: Shelf, archive: RemoteArchive, tmp_path: Path
) -> None:
    memory = Memory.of_lake(tmp_path)
    known = {study.study_uid: study.content_key for study in archive.scan(memory).studies}
    shelf.put("1.2", study_date="20240316", instances=99)
    told = {study.study_uid: study.content_key for study in archive.outline(memory, MARCH)}
    assert told == {"1.1": known["1.1"], "1.2": None}


def test_a_folder_tells_of_studies_without_a_date_too(tmp_path: Path) -> None:
    for study, day in (("1.1", "20240315"), ("1.2", "20240401"), ("1.3", "")):
        write_image(tmp_path / study, study=study, StudyDate=day)
    found = {study.study_uid: study.study_date for study in FolderArchive(tmp_path).outline(None, MARCH)}
    assert found == {"1.1": date(2024, 3, 15), "1.3": None}


def test_done_is_that_content_or_any_where_none_is_told() -> None:
    day = date(2024, 3, 15)
    found = [Outline("1.1", day, "a"), Outline("1.2", day, "b"), Outline("1.3", day, None)]
    census = count_days([*found, Outline("1.4", None, "d")], {("1.1", "a"), ("1.2", "x"), ("1.3", "x")})
    assert (census.studies, census.done, census.undated) == ({day: 3}, {day: 2}, 1)
    assert census.owed == {day: 1}
