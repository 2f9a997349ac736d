"""Studies that an archive no longer holds: which they are, how many are believed, and what their rows say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tasks.archive.scan import EVERYTHING, Window
from tasks.publish.lake import Lake
from tasks.publish.presence import Presence, mark, presence_of
from tasks.publish.result import StudyResult
from tests.publish.results import result

TONIGHT = datetime(2026, 2, 1, 3, tzinfo=UTC)
HERE, THERE = "archive-1", "archive-2"


def held_by(archive: str, item: StudyResult) -> StudyResult:
    return replace(item, screening=replace(item.screening, archive_key=archive))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two studies of one archive, one of another, and one of a lake that knew no archives."""
    lake = Lake(tmp_path / "lake")
    lake.publish(
        [
            held_by(HERE, result("1.1")),
            held_by(HERE, result("1.2", day=date(2025, 12, 1))),
            held_by(THERE, result("1.3")),
            result("1.4"),
        ]
    )
    return lake


def gone(lake: Lake) -> dict[str, datetime | None]:
    rows = lake.screenings.read(["study_uid", "archive_gone_at"]).to_pylist()
    return {row["study_uid"]: row["archive_gone_at"] for row in rows if row["archive_gone_at"]}


@pytest.mark.parametrize(
    ("archive", "held", "window", "known", "missed"),
    [
        (HERE, ["1.1", "1.2"], EVERYTHING, 2, ()),
        (HERE, ["1.1"], EVERYTHING, 2, ("1.2",)),
        (HERE, [], EVERYTHING, 2, ("1.1", "1.2")),
        (HERE, [], Window(since=date(2026, 1, 1)), 1, ("1.1",)),
        (HERE, [], Window(until=date(2025, 12, 31)), 1, ("1.2",)),
        (THERE, ["1.1"], EVERYTHING, 1, ("1.3",)),
        ("archive-3", [], EVERYTHING, 0, ()),
    ],
)
def test_only_what_was_read_from_an_archive_can_be_missed_in_it(
    archive: str, held: Sequence[str], window: Window, known: int, missed: tuple[str, ...], lake: Lake
) -> None:
    assert presence_of(lake, archive, held, window) == Presence(known, missed, ())


def test_a_study_without_a_date_is_missed_in_no_window_of_days(lake: Lake) -> None:
    lake.publish([held_by(HERE, result("1.5", day=None))])
    assert "1.5" not in presence_of(lake, HERE, [], Window(since=date(2000, 1, 1))).missed
    assert "1.5" in presence_of(lake, HERE, [], EVERYTHING).missed


def test_a_mark_stays_until_the_study_is_held_again(lake: Lake) -> None:
    mark(lake, ["1.1"], TONIGHT)
    assert gone(lake) == {"1.1": TONIGHT}
    assert presence_of(lake, HERE, ["1.2"], EVERYTHING) == Presence(1, (), ())  # not missed twice
    back = presence_of(lake, HERE, ["1.1", "1.2"], EVERYTHING)
    assert back.returned == ("1.1",)
    mark(lake, back.returned, None)
    assert gone(lake) == {}


def test_all_rows_of_a_study_are_marked_and_nothing_else_changes(lake: Lake) -> None:
    lake.publish([held_by(HERE, result("1.1", "c2", hour=5))])
    before = lake.screenings.read().drop_columns(["archive_gone_at"])
    mark(lake, ["1.1"], TONIGHT)
    after = lake.screenings.read()
    assert after.drop_columns(["archive_gone_at"]).equals(before)
    marked = [row for row in after.to_pylist() if row["archive_gone_at"]]
    assert [(row["study_uid"], row["content_key"]) for row in marked] == [("1.1", "c1"), ("1.1", "c2")]


def test_what_was_read_elsewhere_since_is_no_longer_missed_here(lake: Lake) -> None:
    lake.publish([held_by(THERE, result("1.1", "c2", hour=5))])
    assert presence_of(lake, HERE, ["1.2"], EVERYTHING).missed == ()


@pytest.mark.parametrize(
    ("known", "missed", "is_believable"),
    [
        (1, 1, False),  # it lists nothing any more
        (2, 1, True),
        (3, 2, False),
        (10, 5, True),
        (10, 6, False),
        (1000, 100, True),
        (1000, 101, False),
        (100_000, 99_000, False),  # a server that caps its answers
        (0, 0, True),
    ],
)
def test_an_archive_that_misses_very_many_is_not_believed(
    known: int, missed: int, is_believable: bool
) -> None:
    presence = Presence(known, tuple(map(str, range(missed))), ())
    assert presence.is_believable(0.1) is is_believable
    assert presence.is_believable(1.0)
