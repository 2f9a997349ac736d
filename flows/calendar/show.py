"""What `osteoscreen backfill` prints: a plan, and how far a backfill has come, each on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from flows.calendar.plan import Plan
from flows.calendar.record import BackfillRecord, State, WindowRecord, WindowState

# Windows that fit on a screen beside the rest.
MOST_WINDOWS = 20
_STYLES = {WindowState.DONE: "green", WindowState.RUNNING: "yellow", WindowState.WAITING: "dim"}


def plan_screen(plan: Plan) -> RenderableType:
    """A plan as a table of months and a few sentences."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    totals = [sum(getattr(month, name) for month in plan.months) for name in _MONTH_COLUMNS]
    table.add_column("month", footer="all")
    for name, total in zip(_MONTH_COLUMNS, totals, strict=True):
        table.add_column(name, justify="right", footer=f"{total:,}")
    for month in plan.months:
        table.add_row(month.month, *(f"{getattr(month, name):,}" for name in _MONTH_COLUMNS))
    return Group(table, Text("\n".join(_sentences(plan))))


def plan_json(plan: Plan) -> dict[str, object]:
    """A plan as plain values; moments are in UTC."""
    return {
        "months": [
            {"month": month.month, **{name: getattr(month, name) for name in _MONTH_COLUMNS}}
            for month in plan.months
        ],
        "owed": plan.owed,
        "windows": len(plan.windows),
        "undated": plan.undated,
        "seconds_of_work": round(plan.work.total_seconds()),
        "limited_by_mb_per_s": plan.capped,
        "bytes_estimated": round(plan.bytes_read),
        "seconds_a_study": plan.pace.seconds,
        "bytes_a_study": plan.pace.bytes_read,
        "measured_on_studies": plan.pace.measured_on,
        "workers": plan.workers,
        "hours": str(plan.hours) if plan.hours else None,
        "begins": _utc(plan.begins),
        "ends": _utc(plan.ends),
    }


def status_screen(record: BackfillRecord, at_work: str | None, finished_now: int) -> RenderableType:
    """How far a backfill has come.

    Args:
        at_work: who works on it now; None when nobody does.
        finished_now: studies of the window under way that are finished.
    """
    return Group(Text("\n".join(_standing(record, at_work, finished_now))), _windows(record, finished_now))


def status_json(record: BackfillRecord, at_work: str | None, finished_now: int) -> dict[str, object]:
    """The same as plain values."""
    document: dict[str, object] = record.model_dump(mode="json")
    return document | {
        "at_work": at_work is not None,
        "finished_in_window": finished_now,
        "studies_left": max(record.left - finished_now, 0),
        "seconds_a_study": record.seconds_a_study,
    }


_MONTH_COLUMNS = ("studies", "done", "owed", "windows")


def _sentences(plan: Plan) -> Iterator[str]:
    if not plan.owed:
        yield "Nothing is owed: every study of these days has its row."
    else:
        yield f"{plan.owed:,} studies in {len(plan.windows)} windows. Estimates:"
        yield f"  work    {_duration(plan.work)}{', as long as the cap on MB/s makes it' * plan.capped}"
        yield f"  bytes   {plan.bytes_read / 1e9:,.1f} GB from the archive"
        yield f"  ends    {_local(plan.ends, plan)}{_begins(plan)}"
        yield f"  {_source(plan)}"
    if plan.undated:
        yield f"{plan.undated:,} studies have no date and are in no window: a night without dates takes them."


def _source(plan: Plan) -> str:
    pace = plan.pace
    figures = f"{pace.seconds:.1f} s and {pace.bytes_read / 1e6:.1f} MB a study, {plan.workers} at a time"
    if pace.measured_on:
        return f"(measured on the newest {pace.measured_on:,} studies of this lake: {figures})"
    return f"(assumed, not measured: {figures})"


def _begins(plan: Plan) -> str:
    if plan.hours is None:
        return " if it begins now"
    return f" if it is started now; works {plan.hours} only, begins {_local(plan.begins, plan)}"


def _local(moment: datetime, plan: Plan) -> str:
    zone = plan.hours.zone if plan.hours else None
    return f"{moment.astimezone(zone):%a %d %b %Y %H:%M %Z}"


def _standing(record: BackfillRecord, at_work: str | None, finished_now: int) -> Iterator[str]:
    kinds = [window.state for window in record.windows]
    hours = f", {record.hours} only" if record.hours else ""
    yield f"Backfill of {record.first} to {record.last} ({record.archive}{hours})"
    yield f"  {_state(record, at_work)}"
    done, running = kinds.count(WindowState.DONE), kinds.count(WindowState.RUNNING)
    yield f"  windows  {done} done, {running} under way, {len(kinds) - done - running} waiting"
    worked = sum(window.worked for window in record.windows) + finished_now
    failed = sum(window.failed for window in record.windows)
    left = max(record.left - finished_now, 0)
    yield f"  studies  {worked:,} worked on, {failed:,} of them failed, {left:,} left"
    pace = record.seconds_a_study
    if pace:
        rate = f"{3600 / pace:,.0f} studies an hour"
        still = f"; {_duration(timedelta(seconds=left * pace))} of work left" if left else ""
        yield f"  rate     {rate}{still}"
    else:
        yield "  rate     not known before the first window is done"


def _state(record: BackfillRecord, at_work: str | None) -> str:
    moved = f"{record.updated_at.astimezone():%a %d %b %H:%M}"
    if record.state is State.FINISHED:
        return f"finished {moved}"
    if at_work is None:
        return f"stopped, last heard of {moved}; the same command goes on from here"
    return record.note or f"under way: {at_work}"


def _windows(record: BackfillRecord, finished_now: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("window")
    for name in ("owed", "worked on", "scored", "excluded", "failed", "minutes"):
        table.add_column(name, justify="right")
    table.add_column("")
    next_up = sum(window.state is WindowState.DONE for window in record.windows)
    first = max(0, min(next_up - MOST_WINDOWS // 2, len(record.windows) - MOST_WINDOWS))
    shown = record.windows[first : first + MOST_WINDOWS]
    if first:
        table.add_row(f"… {first} newer ones")
    for window in shown:
        table.add_row(*_cells(window, finished_now if window.state is WindowState.RUNNING else 0))
    if older := len(record.windows) - first - len(shown):
        table.add_row(f"… {older} older ones")
    return table


def _cells(window: WindowRecord, finished_now: int) -> list[str]:
    numbers = (window.owed, window.worked + finished_now, window.scored, window.excluded, window.failed)
    return [
        f"{window.first} to {window.last}",
        *(f"{number:,}" if number else "" for number in numbers),
        f"{window.seconds / 60:.1f}" if window.seconds else "",
        f"[{_STYLES[window.state]}]{window.state}[/]",
    ]


def _duration(time: timedelta) -> str:
    minutes = round(time.total_seconds() / 60)
    if not minutes:
        return "less than a minute"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes / 60:.1f} h" if minutes < 72 * 60 else f"{minutes / 60 / 24:.1f} days"


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
