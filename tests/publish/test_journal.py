"""What a night had finished survives its death, and nothing torn is believed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tasks.files import DiskFullError
from tasks.outcomes import Reason, Warn
from tasks.publish.journal import Journal
from tasks.publish.lake import Lake
from tasks.publish.result import StudyResult
from tasks.schema import SchemaError
from tests.publish.results import result
from tests.rows import refused, scored


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    lake = Lake(tmp_path / "lake")
    with lake.locked("test"):
        return Journal(lake)


STUDIES = [
    result("1"),
    result("2", vertebrae=0),
    StudyResult(refused(Reason.METAL, study_uid="3", detail='a "quoted"\nline, 90 %')),
    StudyResult(scored(study_uid="4", warnings=(Warn.NOISY,), study_date=None)),
]


def test_what_is_recorded_is_loaded(journal: Journal) -> None:
    assert journal.load() == {}
    for item in STUDIES:
        journal.record(item)
    assert journal.load() == {item.key: item for item in STUDIES}


def test_the_last_record_of_a_key_counts(journal: Journal) -> None:
    journal.record(result(probability=0.1))
    journal.record(result(probability=0.9))
    (kept,) = journal.load().values()
    assert kept.screening.probability == 0.9


@pytest.mark.parametrize("cut", [1, 2, 10, 500])
def test_a_torn_line_costs_one_study_and_spoils_no_other(journal: Journal, cut: int) -> None:
    journal.record(STUDIES[0])
    journal.record(STUDIES[1])
    journal.path.write_bytes(journal.path.read_bytes()[:-cut])
    survivors = {STUDIES[0].key} if cut > 1 else {STUDIES[0].key, STUDIES[1].key}
    assert journal.load().keys() == survivors
    journal.record(STUDIES[2])
    assert journal.load().keys() == survivors | {STUDIES[2].key}


def test_damage_and_other_schemas_are_passed_over(journal: Journal) -> None:
    journal.record(STUDIES[0])
    content = journal.path.read_bytes()
    journal.path.write_bytes(content.replace(b'"c1"', b'"c2"') + b"\n12345678 {}\n\xff\xfe\n" + content)
    assert list(journal.load()) == [STUDIES[0].key]


def test_a_line_of_another_version_is_passed_over(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.publish.journal._encode", lambda _: {"screening": [{"no_such": 1}]})
    journal.record(STUDIES[0])
    assert journal.path.stat().st_size > 0
    assert journal.load() == {}


def test_clearing_forgets_what_was_published(journal: Journal) -> None:
    for item in STUDIES:
        journal.record(item)
    journal.clear({STUDIES[0].key, STUDIES[2].key})
    assert journal.load().keys() == {STUDIES[1].key, STUDIES[3].key}
    journal.clear({STUDIES[1].key, STUDIES[3].key})
    assert not journal.path.exists()
    journal.clear(set())


def test_what_could_not_be_published_is_not_kept(journal: Journal) -> None:
    with pytest.raises(SchemaError):
        journal.record(StudyResult(scored(probability=3.0)))
    assert journal.load() == {}


def test_the_journal_is_private(journal: Journal) -> None:
    journal.record(STUDIES[0])
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    journal.clear({STUDIES[1].key})
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert journal.path.parent.name == "identities"


def test_a_disk_that_is_just_full_costs_the_record_and_says_so(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.record(STUDIES[0])
    with monkeypatch.context() as patch:
        whole = os.write
        patch.setattr(os, "write", lambda handle, line: whole(handle, line[:20]))
        with pytest.raises(DiskFullError, match="make room"):
            journal.record(STUDIES[1])
    assert journal.load().keys() == {STUDIES[0].key}
    journal.record(STUDIES[1])
    assert journal.load().keys() == {STUDIES[0].key, STUDIES[1].key}
