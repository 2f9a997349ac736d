"""`Hours`: the hours of the day in which a backfill may work, by the wall clock of one time zone.

Open and closed are told by the wall clock alone: 20:00 is 20:00 in summer and in winter. Over a change
of the clocks an opening is an hour longer or shorter; a boundary that is jumped over lies at the jump.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tasks.outcomes import ConfigurationError

_MINUTE = timedelta(minutes=1)
_DAY_MINUTES = 24 * 60
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_LOCAL = Path("/etc/localtime")


@dataclass(frozen=True, slots=True)
class Hours:
    """Open from `start` to `end` of every day; past midnight when `end` is the earlier one.

    Attributes:
        start: the first minute that is open.
        end: the first minute that is closed.
        zone: whose wall clock is meant.

    Raises:
        ConfigurationError: when both are the same minute, which says neither always nor never.
    """

    start: time
    end: time
    zone: tzinfo

    def __post_init__(self) -> None:
        if self.start == self.end:
            raise ConfigurationError(
                "Hours that end as they begin say nothing: leave them out to work all day."
            )

    def is_open(self, moment: datetime) -> bool:
        """Whether work may be done at a moment (of any time zone)."""
        clock = moment.astimezone(self.zone).time()
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def next_change(self, moment: datetime) -> datetime:
        """The first minute after `moment` at which open turns to closed or closed to open, in UTC."""
        state = self.is_open(moment)
        at = moment.astimezone(UTC).replace(second=0, microsecond=0)
        leap = at + _MINUTE * self._minutes_to(self.end if state else self.start, at)
        if at.astimezone(self.zone).utcoffset() == leap.astimezone(self.zone).utcoffset():
            return leap
        while self.is_open(at) == state:  # the clocks are changed in between: look at every minute
            at += _MINUTE
        return at

    def opening(self, moment: datetime) -> datetime:
        """The moment itself when that is open, else when it opens next, in UTC."""
        return moment.astimezone(UTC) if self.is_open(moment) else self.next_change(moment)

    def end_of_work(self, begin: datetime, work: timedelta) -> datetime:
        """When work that takes so long is done, if it is done in open hours only, in UTC."""
        at = self.opening(begin)
        while (closing := self.next_change(at)) - at < work:
            work -= closing - at
            at = self.next_change(closing)
        return at + work

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def _minutes_to(self, boundary: time, at: datetime) -> int:
        """Minutes on the wall clock until a time of day; a whole day when it is that time now."""
        clock = at.astimezone(self.zone)
        minutes = (boundary.hour - clock.hour) * 60 + boundary.minute - clock.minute
        return minutes % _DAY_MINUTES or _DAY_MINUTES


def parse_hours(text: str, zone: tzinfo) -> Hours:
    """Hours from text such as `20:00-06:00`.

    Raises:
        ConfigurationError: when the text says no such thing.
    """
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise ConfigurationError(f"{text!r} are no hours: write them like 20:00-06:00.")
    hour, minute, end_hour, end_minute = map(int, found.groups())
    return Hours(time(hour, minute), time(end_hour, end_minute), zone)


def find_zone(name: str | None) -> ZoneInfo:
    """The time zone of a name, such as Europe/Berlin; without one, that of this machine.

    Raises:
        ConfigurationError: when there is no such zone.
    """
    name = name or os.environ.get("TZ", "").lstrip(":") or None
    try:
        if name is not None:
            return ZoneInfo(name)
        *_, area, place = _LOCAL.resolve().parts
        return _known(f"{area}/{place}") or _known(place) or _local()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            f"There is no time zone {name!r}: give a name such as Europe/Berlin."
        ) from None


def _known(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _local() -> ZoneInfo:
    """The machine's zone where its file has no name of a zone."""
    try:
        with _LOCAL.open("rb") as file:
            return ZoneInfo.from_file(file, key="local")
    except OSError:
        return ZoneInfo("UTC")
