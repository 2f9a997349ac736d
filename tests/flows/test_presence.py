"""What a night makes of an archive's list: how long it waits for quiet, and which studies it calls gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from flows.presence import SETTLE_MINUTES, note_presence, settle_minutes
from tasks.archive.folder import FolderAccess
from tasks.archive.memory import Memory
from tasks.archive.scan import EVERYTHING, Counts, Outline, Progress, Scan, Window
from tasks.outcomes import ArchiveError
from tasks.publish.lake import Lake
from tasks.settings import Settings
from tests.publish.results import result


@dataclass
class Told:
    """An archive that says what it is told to.

    Attributes:
        hidden: studies that it holds and did not list.
        asked: the studies that it was asked for by name.
    """

    kind: str = "dicomweb"
    key: str = "archive-1"
    hidden: frozenset[str] = frozenset()
    is_silent: bool = False
    asked: list[str] = field(default_factory=list)

    def scan(
        self,
        memory: Memory | None = None,  # noqa: ARG002
        window: Window = EVERYTHING,  # noqa: ARG002
        *,
        progress: Progress | None = None,  # noqa: ARG002
    ) -> Scan:
        raise AssertionError("it has been scanned")

    def outline(self, memory: Memory | None = None, window: Window = EVERYTHING) -> tuple[Outline, ...]:  # noqa: ARG002
        raise AssertionError("it has been scanned")

    def access(self) -> FolderAccess:
        return FolderAccess()

    def lost(self, study_uids: Iterable[str]) -> frozenset[str]:
        asked = list(study_uids)
        self.asked += asked
        if self.is_silent:
            raise ArchiveError("The archive gave no answer.")
        return frozenset(asked) - self.hidden


def found(*uids: str) -> Scan:
    scan = Scan.of([], EVERYTHING, Counts(), lambda _: pytest.fail("not asked for"))
    return replace(scan, held=frozenset(uids))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    results = [result(f"1.{number}") for number in range(4)]
    lake.publish(
        replace(item, screening=replace(item.screening, archive_key="archive-1")) for item in results
    )
    return lake


def marked(lake: Lake) -> set[str]:
    rows = lake.screenings.read(["study_uid", "archive_gone_at"]).to_pylist()
    return {row["study_uid"] for row in rows if row["archive_gone_at"]}


def test_a_study_that_is_gone_is_marked_once_and_taken_back_when_it_returns(lake: Lake) -> None:
    archive = Told()
    assert note_presence(lake, archive, found("1.0", "1.1", "1.2"), 0.1).gone == 1
    assert (marked(lake), archive.asked) == ({"1.3"}, ["1.3"])
    assert note_presence(lake, archive, found("1.0", "1.1", "1.2"), 0.1).gone == 0
    assert archive.asked == ["1.3"]
    note_presence(lake, archive, found("1.0", "1.1", "1.2", "1.3"), 0.1)
    assert marked(lake) == set()


def test_what_the_list_only_missed_is_not_marked(lake: Lake) -> None:
    assert note_presence(lake, Told(hidden=frozenset({"1.3"})), found("1.0", "1.1", "1.2"), 0.1).gone == 0
    assert marked(lake) == set()


@pytest.mark.parametrize("listed", [(), ("1.0",)])
def test_an_archive_that_lost_most_studies_is_noted_and_nothing_marked(
    listed: tuple[str, ...], lake: Lake
) -> None:
    archive = Told()
    noted = note_presence(lake, archive, found(*listed), 0.1)
    assert (noted.gone, marked(lake), archive.asked) == (0, set(), [])
    assert f"{4 - len(listed)} of 4" in noted.note
    assert "MAX_GONE_SHARE" in noted.note
    assert note_presence(lake, archive, found(*listed), 1.0).gone == 4 - len(listed)


def test_where_parts_may_not_be_read_nothing_is_marked(lake: Lake) -> None:
    part = replace(found("1.0", "1.1", "1.2"), counts=Counts(denied=1))
    noted = note_presence(lake, Told("folder"), part, 0.1)
    assert (noted.gone, marked(lake)) == (0, set())
    assert "may not be read" in noted.note


def test_an_archive_that_falls_silent_at_the_end_spoils_no_night(lake: Lake) -> None:
    noted = note_presence(lake, Told(is_silent=True), found("1.0", "1.1", "1.2"), 0.1)
    assert noted.gone == 0
    assert "no answer" in noted.note
    assert marked(lake) == set()


@pytest.mark.parametrize(
    ("kind", "configured", "expected"),
    [
        ("folder", None, 0.0),
        ("dicomweb", None, SETTLE_MINUTES),
        ("dimse", None, SETTLE_MINUTES),
        ("dimse", 0.0, 0.0),
        ("folder", 5.0, 5.0),
    ],
)
def test_a_command_waits_for_quiet_in_network_archives(
    kind: str, configured: float | None, expected: float
) -> None:
    assert settle_minutes(Settings(settle_minutes=configured), Told(kind)) == expected
