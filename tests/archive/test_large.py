"""How much an archive is asked, when it is large and little in it is new: by DICOMweb, over real HTTP."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tasks.archive.archive import open_archive
from tasks.archive.ledger import Ledger, Line, told_of, write_series
from tasks.archive.listing import content_key_of
from tasks.archive.memory import Memory
from tasks.archive.peer import ListedSeries, ListedStudy
from tasks.settings import DicomWeb, Settings
from tests.archive.large import CT_IMAGES, LargeArchive, serving, study_uid

PAGE = 500
# A series list ends with an empty page, as every list does.
REQUESTS_PER_STUDY = 2
# Whether it is an Orthanc, which tells times of change.
OTHER_REQUESTS = 1


def remember(memory: Memory, key: str, studies: int) -> None:
    """Leave what a scan of the archive would leave, without its requests; compared below with one that is."""
    ledger = Ledger(memory, key)
    for number in range(studies):
        uid = study_uid(number)
        series = (ListedSeries(f"{uid}.0", "CT", CT_IMAGES), ListedSeries(f"{uid}.1", "SR", 1))
        told = told_of(ListedStudy(uid, series=2, instances=CT_IMAGES + 1))
        ledger.lines[uid] = Line(told, content_key_of(series), 0.0, write_series(series))
    ledger.keep()


@pytest.mark.parametrize(
    ("known", "new", "page"),
    [
        (1000, 30, PAGE),
        (1000, 30, 100),  # a server that caps its answers and does not say so
        pytest.param(100_000, 300, PAGE, marks=pytest.mark.slow),
    ],
)
def test_only_what_is_new_or_changed_is_asked_for(known: int, new: int, page: int, tmp_path: Path) -> None:
    memory = Memory.of_lake(tmp_path)
    grown = frozenset({0, 7, known - 1})
    shelf = LargeArchive(known + new, page, grown)
    settings = Settings(dicomweb=DicomWeb(page_size=PAGE))
    with serving(shelf) as address:
        archive = open_archive(address, settings)
        remember(memory, archive.key, known)
        scan = archive.scan(memory)
        assert len(scan.studies) == known + new
        assert scan.counts.asked == new + len(grown)
        assert shelf.asked == {
            "studies": math.ceil((known + new) / page) + 1,
            "series": (new + len(grown)) * REQUESTS_PER_STUDY,
            "other": OTHER_REQUESTS,
        }
        shelf.asked.clear()
        again = archive.scan(memory)
        assert {study.study_uid: study.content_key for study in again.studies} == {
            study.study_uid: study.content_key for study in scan.studies
        }
        assert shelf.asked["series"] == 0


def test_what_is_remembered_is_what_a_scan_leaves(tmp_path: Path) -> None:
    one, other = Memory.of_lake(tmp_path / "one"), Memory.of_lake(tmp_path / "other")
    with serving(LargeArchive(20, PAGE)) as address:
        archive = open_archive(address, Settings())
        archive.scan(one)
    remember(other, archive.key, 20)
    scanned, remembered = (Ledger(memory, archive.key).lines for memory in (one, other))
    assert {uid: line._replace(since_s=0.0) for uid, line in scanned.items()} == remembered
