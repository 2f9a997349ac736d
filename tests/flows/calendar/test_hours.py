"""Hours of the day, over midnight and over changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flows.calendar.hours import Hours, find_zone, parse_hours
from tasks.outcomes import ConfigurationError

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)
CLOCKS = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))
# Lord Howe changes by half an hour, Chatham at 02:45; in Apia 30 December 2011 did not exist.
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
                                 "Pacific/Chatham", "Pacific/Apia", "Asia/Kolkata", "UTC")]
)  # fmt: skip
MOMENTS = st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
# A day on either side of the changes of the clocks in Berlin 2025, where most can go wrong.
CHANGES = st.sampled_from([datetime(2025, 3, 30, 1, tzinfo=UTC), datetime(2025, 10, 26, 1, tzinfo=UTC)])


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@st.composite
def hours(draw: st.DrawFn, zones: st.SearchStrategy[ZoneInfo] = ZONES) -> Hours:
    start, end = draw(CLOCKS), draw(CLOCKS)
    assume(start != end)
    return Hours(start, end, draw(zones))


def change_by_trying(open_hours: Hours, moment: datetime) -> datetime:
    """Every minute looked at, one by one."""
    at = moment.replace(second=0, microsecond=0)
    while open_hours.is_open(at) == open_hours.is_open(moment):
        at += MINUTE
    return at


@given(hours(), MOMENTS)
def test_open_is_what_the_wall_clock_says(open_hours: Hours, moment: datetime) -> None:
    clock = moment.astimezone(open_hours.zone).time()
    after_start, before_end = clock >= open_hours.start, clock < open_hours.end
    over_midnight = open_hours.start > open_hours.end
    expected = (after_start or before_end) if over_midnight else (after_start and before_end)
    assert open_hours.is_open(moment) is expected


@given(hours(), MOMENTS)
def test_the_next_change_is_the_first(open_hours: Hours, moment: datetime) -> None:
    assert open_hours.next_change(moment) == change_by_trying(open_hours, moment)


@given(hours(st.just(BERLIN)), CHANGES, st.integers(-1500, 1500))
def test_the_next_change_is_the_first_where_clocks_are_changed(
    open_hours: Hours, change: datetime, minutes: int
) -> None:
    moment = change + MINUTE * minutes
    assert open_hours.next_change(moment) == change_by_trying(open_hours, moment)


@pytest.mark.parametrize(
    ("begins", "ends", "work_h"),
    [
        ("2025-03-29 20:00", "2025-03-30 06:00", 9),  # the night on which an hour is missing
        ("2025-10-25 20:00", "2025-10-26 06:00", 11),  # and the one that has an hour twice
        ("2025-06-01 20:00", "2025-06-02 06:00", 10),
    ],
)
def test_a_night_is_as_long_as_the_clocks_make_it(begins: str, ends: str, work_h: int) -> None:
    night = parse_hours("20:00-06:00", BERLIN)
    assert night.next_change(berlin(begins)) == berlin(ends)
    assert night.end_of_work(berlin(begins), timedelta(hours=work_h, minutes=-1)) == berlin(ends) - MINUTE


def test_hours_that_a_change_jumps_over_do_not_come_that_day() -> None:
    jumped = parse_hours("02:00-03:00", BERLIN)
    assert jumped.opening(berlin("2025-03-30 00:00")) == berlin("2025-03-31 02:00")


def test_hours_that_come_twice_are_open_twice() -> None:
    twice = parse_hours("02:00-02:30", BERLIN)
    first = datetime(2025, 10, 26, 0, 0, tzinfo=UTC)
    assert twice.end_of_work(first, timedelta(minutes=59)) == first + timedelta(hours=1, minutes=29)


@given(hours(), MOMENTS, st.timedeltas(timedelta(0), timedelta(days=20)))
def test_work_ends_in_open_hours_and_takes_at_least_its_time(
    open_hours: Hours, begin: datetime, work: timedelta
) -> None:
    end = open_hours.end_of_work(begin, work)
    assert end - begin >= work
    if work:
        assert open_hours.is_open(end - min(work, timedelta(microseconds=1)))


@given(hours(), MOMENTS)
def test_opening_is_open_and_never_before(open_hours: Hours, moment: datetime) -> None:
    opening = open_hours.opening(moment)
    assert opening >= moment
    assert open_hours.is_open(opening)


def test_hours_are_written_as_they_are_read() -> None:
    assert str(parse_hours("20:00-06:00", BERLIN)) == "20:00-06:00"
    assert parse_hours(" 09:30-17:05 ", BERLIN) == Hours(time(9, 30), time(17, 5), BERLIN)


@pytest.mark.parametrize("text", ["", "20-06", "20:00", "24:00-06:00", "20:60-06:00", "06:00-06:00", "a-b"])
def test_what_is_no_hours_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_hours(text, BERLIN)


def test_a_zone_is_found_by_name_or_from_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_zone("Europe/Berlin") == BERLIN
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    assert find_zone(None) == ZoneInfo("Asia/Kolkata")
    monkeypatch.delenv("TZ")
    assert find_zone(None).utcoffset(datetime.now()) == datetime.now().astimezone().utcoffset()


@pytest.mark.parametrize("name", ["Europe/Nowhere", "../../etc/passwd", "/etc/localtime"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="time zone"):
        find_zone(name)
