"""The night: scan → screen → publish → close the books, on one page.

Every step can be done again: finished studies are kept one by one in the journal, months are written beside
their place and moved in whole, and a study with a row that stands is not looked at again. A night that died
at any instruction is finished by starting it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from distributed import Client
from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from flows.cluster import Lost, dask_client, fan_out
from flows.findings import Again, Work
from flows.kept import open_source
from flows.night import Night, Outstanding, open_night
from flows.presence import NOTHING, SILENT, Noted, note_presence, settle_minutes
from flows.progress import NightProgress, scan_progress
from flows.rescore import lost, work_on
from flows.shift import Shift
from flows.tally import Tally
from flows.together import together
from tasks.archive.archive import Archive
from tasks.archive.memory import Memory
from tasks.archive.scan import Scan, Window
from tasks.infer.client import shared_client
from tasks.publish.recall import recall
from tasks.publish.result import ScreeningKey
from tasks.schema import RunStatus
from tasks.settings import load_settings

# Studies between two publications. The journal keeps them safe meanwhile; a month of the lake is rewritten
# once for so many.
WINDOW_STUDIES = 500


@flow(name="nightly", validate_parameters=False)
def nightly(
    archive: str | Path,
    lake: Path | None = None,
    since: date | None = None,
    until: date | None = None,
    show_progress: bool = True,
    stop_at: datetime | None = None,
    gives_way: bool = False,
    settings: dict[str, Any] | None = None,
) -> Tally:
    """One night over an archive.

    Args:
        archive: a folder of DICOM files, `https://host/dicom-web`, or `dimse://AET@host:port`.
        lake: where the results go; default from the settings.
        since, until: only studies of these days, both included.
        show_progress: print a bar, or lines where the output is no terminal.
        stop_at: begin no study after this moment.
        gives_way: begin no study once another night wants the lake.
        settings: over those of file and environment, for this run alone.

    Returns:
        The tally of the run; found = scored + excluded + failed has been checked.
    """
    chosen = load_settings(lake=lake, **(settings or {}))
    source = open_source(archive, chosen)
    with open_night(chosen, source, gives_way=gives_way) as night:
        shift = Shift(night.lake, stop_at, gives_way)
        found = scan(night, source, since, until, show_progress)
        outstanding = night.outstanding(found)
        begun = 0
        if outstanding.todo:
            with (
                together(night.inference(), dask_client(night.settings.cluster)) as (triton_url, client),
                NightProgress(outstanding, show=show_progress) as progress,
            ):
                for window in _windows(outstanding.todo):
                    begun += screen(night, found, window, shift, triton_url, client, progress)
                    publish(night)
                    if shift.is_over():
                        break
        else:
            publish(night)
        silent = shift.silence.is_lasting()
        noted = SILENT if silent else note_presence(night.lake, source, found, chosen.max_gone_share)
        return close_books(night, found, outstanding, outstanding.todo[begun:], noted)


@task(cache_policy=NO_CACHE, persist_result=False)
def scan(night: Night, archive: Archive, since: date | None, until: date | None, show: bool) -> Scan:
    """What the archive holds: only what is new or changed is asked for."""
    window = Window(since, until, settle_minutes(night.settings, archive))
    with scan_progress(show=show) as progress:
        return archive.scan(Memory.of_lake(night.settings.lake), window, progress=progress)


@task(cache_policy=NO_CACHE, persist_result=False)
def screen(
    night: Night,
    found: Scan,
    window: Sequence[ScreeningKey],
    shift: Shift,
    triton_url: str,
    client: Client | None,
    progress: NightProgress,
) -> int:
    """Work on the studies of a window, one Dask task each; every result goes into the journal at once.

    Returns:
        How many were worked on: all of them, or the first ones when the shift ended.
    """
    bench = night.bench(shared_client(triton_url, night.settings.inference))
    timeout_s = night.settings.cluster.study_timeout_s
    worked = 0
    for answer in fan_out(
        client, partial(work_on, bench), _works(night, found, window, shift), timeout_s=timeout_s
    ):
        result = lost(bench, answer.item, answer.detail) if isinstance(answer, Lost) else answer
        night.journal.record(result)
        progress.ended(result.screening.outcome)
        shift.silence.hear(result.screening.reason)
        worked += 1
    return worked


@task(cache_policy=NO_CACHE, persist_result=False)
def publish(night: Night) -> None:
    """What the journal holds into Parquet, whole months at a time."""
    night.publish()


@task(cache_policy=NO_CACHE, persist_result=False)
def close_books(
    night: Night,
    found: Scan,
    outstanding: Outstanding,
    left: Sequence[ScreeningKey] = (),
    noted: Noted = NOTHING,
) -> Tally:
    """Found = scored + excluded + failed, or the run says that it is broken."""
    tally = night.account(found, outstanding, left, noted)
    tally.check()
    night.write_run(RunStatus.FINISHED, tally)
    rows = [{"ended as": str(name), "studies": number} for name, number in tally.lines()]
    create_table_artifact(table=rows, key="tally", description=f"Run {night.run_id}")
    return tally


def _windows(keys: Sequence[ScreeningKey]) -> Iterator[Sequence[ScreeningKey]]:
    for start in range(0, len(keys), WINDOW_STUDIES):
        yield keys[start : start + WINDOW_STUDIES]


def _works(night: Night, found: Scan, keys: Sequence[ScreeningKey], shift: Shift) -> Iterator[Work | Again]:
    """Studies in full, made only when a worker is about to be free; none once the shift is over."""
    recalled = recall(night.lake, keys)
    for key in takewhile(lambda _: not shift.is_over(), keys):
        work = night.work(key, found.study(key.study_uid))
        yield night.again(work, recalled[key]) if key in recalled else work
