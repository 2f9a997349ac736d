"""What a plan says, over generated headers of several months and a lake that has some of them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from flows.calendar.census import Census, take_census
from flows.calendar.hours import Hours, parse_hours
from flows.calendar.plan import ASSUMED_PACE, WINDOW_SECONDS, Pace, Plan, make_plan, measure_pace
from flows.calendar.planning import load_over, plan_backfill, working_hours
from flows.calendar.show import plan_json, plan_screen
from flows.night import active_manifest
from tasks.archive.folder import FolderArchive
from tasks.archive.scan import Window
from tasks.outcomes import ConfigurationError, Reason
from tasks.publish.lake import Lake
from tasks.publish.result import StudyResult
from tasks.settings import Settings, load_settings
from tasks.version import pipeline_version
from tests.archive.files import write_image
from tests.flows.calendar.printing import printed
from tests.publish.results import result
from tests.rows import refused

NOW = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
MONTHS = {"2024-11": 2, "2024-12": 3, "2025-02": 1}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> FolderArchive:
    """One image a study: two of November, three of December, one of February, one without a date."""
    root = tmp_path_factory.mktemp("archive")
    for number, day in enumerate(
        ("20241103", "20241128", "20241201", "20241201", "20241231", "20250214", "")
    ):
        write_image(root / f"{number}", number=1, StudyInstanceUID=f"1.2.{number}", StudyDate=day)
    return FolderArchive(root)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(lake=tmp_path / "lake", cluster={"kind": "local", "workers": 4})


def done(archive: FolderArchive, settings: Settings, *uids: str, reason: Reason | None = None) -> None:
    """Let the lake have rows of these studies, under today's model and pipeline."""
    keys = {item.study_uid: item.content_key for item in archive.scan().studies}
    version = active_manifest(settings.inference).version
    results = []
    for uid in uids:
        made = result(uid, keys[uid], pipeline=pipeline_version(settings), model=version)
        if reason is not None:
            row = refused(
                reason, study_uid=uid, content_key=keys[uid], model_version=version,
                pipeline_version=pipeline_version(settings),
            )  # fmt: skip
            made = StudyResult(row)
        results.append(made)
    Lake(settings.lake).publish(results)


def plan_of(archive: FolderArchive, settings: Settings) -> Plan:
    return plan_backfill(archive, settings, date(2024, 11, 1), date(2025, 12, 31), None)


def test_without_a_lake_everything_is_owed_and_none_is_made(
    archive: FolderArchive, settings: Settings
) -> None:
    plan = plan_of(archive, settings)
    assert {month.month: (month.studies, month.done, month.owed) for month in plan.months} == {
        month: (studies, 0, studies) for month, studies in MONTHS.items()
    }
    assert [month.month for month in plan.months] == sorted(MONTHS, reverse=True)
    assert (plan.owed, plan.undated, plan.pace) == (6, 1, ASSUMED_PACE)
    assert not settings.lake.exists()


def test_what_has_its_row_is_done(archive: FolderArchive, settings: Settings) -> None:
    done(archive, settings, "1.2.0", "1.2.2")
    plan = plan_of(archive, settings)
    assert {month.month: month.done for month in plan.months} == {
        "2024-11": 1,
        "2024-12": 1,
        "2025-02": 0,
    }
    assert plan.owed == 4
    assert sum(window.studies for window in plan.windows) == 4


@pytest.mark.parametrize(
    ("reason", "owed"), [(Reason.THICK_SLICES, 5), (Reason.TRUNCATED_PIXELS, 5), (Reason.WORKER_LOST, 6)]
)
def test_a_passing_failure_is_owed_again(
    reason: Reason, owed: int, archive: FolderArchive, settings: Settings
) -> None:
    done(archive, settings, "1.2.5", reason=reason)
    assert plan_of(archive, settings).owed == owed


def test_another_pipeline_or_model_owes_everything(archive: FolderArchive, settings: Settings) -> None:
    done(archive, settings, "1.2.0", "1.2.2")
    lake, version = Lake(settings.lake), active_manifest(settings.inference).version
    for model, pipeline in ((version, "9-00000000"), ("9", pipeline_version(settings))):
        census = take_census(archive, lake, Window(date(2024, 1, 1), None), model, pipeline)
        assert sum(census.owed.values()) == 6


def test_only_the_days_asked_for_are_counted(archive: FolderArchive, settings: Settings) -> None:
    plan = plan_backfill(archive, settings, date(2024, 12, 1), date(2024, 12, 30), None)
    assert [(month.month, month.studies) for month in plan.months] == [("2024-12", 2)]


def test_days_the_wrong_way_round_are_refused(archive: FolderArchive, settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="first day"):
        plan_backfill(archive, settings, date(2025, 1, 1), date(2024, 1, 1), None)


def test_the_pace_is_that_of_the_newest_studies_read(settings: Settings) -> None:
    lake = Lake(settings.lake)
    assert measure_pace(lake) is ASSUMED_PACE
    timed = (("1", 3.0, 10), ("2", 5.0, 30), ("3", 1.0, None), ("4", 99.0, 0))
    lake.publish(
        replace(made, screening=replace(made.screening, seconds_total=seconds, bytes_read=read))
        for made, seconds, read in ((result(f"1.2.{uid}"), seconds, read) for uid, seconds, read in timed)
    )
    # the third was refused by its headers; the fourth was recalled, and tells nothing of reading
    assert measure_pace(lake) == Pace(seconds=3.0, bytes_read=40 / 3, measured_on=3)


CENSUS = Census(studies={date(2024, 3, 1): 100, date(2024, 2, 1): 50}, done={date(2024, 3, 1): 40})
PACE = Pace(seconds=8.0, bytes_read=50e6, measured_on=12)


def test_time_and_bytes_follow_from_the_pace(settings: Settings) -> None:
    plan = make_plan(CENSUS, PACE, settings, None, NOW)
    assert plan.work.total_seconds() == pytest.approx(110 * 8.0 / 4 + 2 * WINDOW_SECONDS)
    assert plan.bytes_read == 110 * 50e6
    assert (plan.begins, plan.ends) == (NOW, NOW + plan.work)


def test_a_cap_on_the_rate_may_be_what_takes_the_time(settings: Settings) -> None:
    capped = load_settings(lake=settings.lake, cluster={"workers": 4}, **load_over(None, 0.5))
    plan = make_plan(CENSUS, PACE, capped, None, NOW)
    assert plan.capped
    assert plan.work.total_seconds() == pytest.approx(110 * 50e6 / 0.5e6)
    assert not make_plan(CENSUS, PACE, settings, None, NOW).capped


def test_hours_make_it_end_later(settings: Settings) -> None:
    hours = parse_hours("20:00-20:02", UTC)
    plan = make_plan(CENSUS, PACE, settings, hours, NOW)
    assert plan.begins == NOW.replace(hour=20)
    # 260 s of work at 120 s a day: the third day, after 20 s
    assert plan.ends == NOW.replace(hour=20) + timedelta(days=2, seconds=20)


@pytest.mark.parametrize("hours", [None, parse_hours("20:00-06:00", UTC)])
@pytest.mark.parametrize("pace", [PACE, ASSUMED_PACE])
def test_a_plan_is_one_screen_and_one_document(pace: Pace, hours: Hours | None, settings: Settings) -> None:
    plan = make_plan(CENSUS, pace, settings, hours, NOW)
    text = printed(plan_screen(plan))
    assert "2024-03" in text
    assert ("assumed" in text) is (pace is ASSUMED_PACE)
    assert ("20:00-06:00" in text) is (hours is not None)
    document = json.loads(json.dumps(plan_json(plan)))
    assert document["owed"] == 110
    assert document["months"][0] == {"month": "2024-03", "studies": 100, "done": 40, "owed": 60, "windows": 1}
    assert document["measured_on_studies"] == pace.measured_on


def test_seconds_of_work_are_not_said_to_be_none(settings: Settings) -> None:
    plan = make_plan(Census({date(2024, 3, 1): 1}, {}), PACE, settings, None, NOW)
    assert timedelta(0) < plan.work < timedelta(seconds=30)
    assert "less than a minute" in printed(plan_screen(plan))


def test_hours_come_with_the_zone_of_the_settings() -> None:
    settings = load_settings(calendar={"time_zone": "Asia/Kolkata"})
    assert working_hours(settings, None, None) is None
    hours = working_hours(settings, "20:00-06:00", None)
    assert hours is not None
    assert str(hours.zone) == "Asia/Kolkata"
    named = working_hours(settings, "20:00-06:00", "Europe/Berlin")
    assert named is not None
    assert str(named.zone) == "Europe/Berlin"
