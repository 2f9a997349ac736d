"""`Census`: how many studies an archive holds on each day of a range, and how many of them are done.

Done is what has a row of this model and pipeline version that stands, and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from tasks.archive.archive import Archive
from tasks.archive.memory import Memory
from tasks.archive.scan import Scan, Window
from tasks.outcomes import Reason
from tasks.publish.lake import Lake
from tasks.publish.result import ScreeningKey


@dataclass(frozen=True, slots=True)
class Census:
    """Studies of an archive by the day they were made.

    Attributes:
        studies: how many there are.
        done: how many of them have their row.
        undated: how many have no usable date, and are therefore in no window.
        arriving: how many are still arriving, and are left for a night.
    """

    studies: Mapping[date, int]
    done: Mapping[date, int]
    undated: int = 0
    arriving: int = 0

    @property
    def owed(self) -> dict[date, int]:
        """How many studies of each day have no row yet; days without any are left out."""
        owed = {day: studies - self.done.get(day, 0) for day, studies in self.studies.items()}
        return {day: studies for day, studies in owed.items() if studies}


def take_census(
    archive: Archive, lake: Lake, window: Window, model_version: str, pipeline_version: str
) -> Census:
    """List an archive, and hold it against the lake.

    What is listed is remembered in the lake, so that the windows need not ask for it again; where there is no
    lake yet, none is made.

    Raises:
        ArchiveError: when the archive does not answer.
    """
    has_lake = lake.exists()
    found = archive.scan(Memory.of_lake(lake.root) if has_lake else None, window)
    finished = lake.finished() if has_lake else {}
    return count_days(found, finished, model_version, pipeline_version)


def count_days(
    found: Scan, finished: Mapping[ScreeningKey, str | None], model_version: str, pipeline_version: str
) -> Census:
    """Studies by day, and those that `finished` has a lasting end for (see `Lake.finished`)."""
    studies: Counter[date] = Counter()
    done: Counter[date] = Counter()
    for study in found.studies:
        if study.study_date is None:
            continue
        studies[study.study_date] += 1
        key = ScreeningKey(study.study_uid, study.content_key, model_version, pipeline_version)
        if key in finished and not _may_pass(finished[key]):
            done[study.study_date] += 1
    return Census(studies, done, found.undated, len(found.arriving))


def _may_pass(reason: str | None) -> bool:
    return reason is not None and Reason(reason).is_transient
