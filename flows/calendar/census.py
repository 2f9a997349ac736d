"""`Census`: how many studies an archive holds on each day of a range, and how many of them are done.

Done is what has a row of this model and pipeline version that stands, and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from tasks.archive.archive import Archive
from tasks.archive.memory import Memory
from tasks.archive.scan import Outline, Window
from tasks.outcomes import Reason
from tasks.publish.lake import Lake


@dataclass(frozen=True, slots=True)
class Census:
    """Studies of an archive by the day they were made.

    Attributes:
        studies: how many there are.
        done: how many of them have their row.
        undated: how many have no usable date, and are therefore in no window.
    """

    studies: Mapping[date, int]
    done: Mapping[date, int]
    undated: int = 0

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
    found = archive.outline(Memory.of_lake(lake.root) if has_lake else None, window)
    finished = lake.finished() if has_lake else {}
    lasting = {key for key, reason in finished.items() if not _may_pass(reason)}
    return count_days(
        found,
        {key[:2] for key in lasting if key[2:] == (model_version, pipeline_version)},
    )


def count_days(found: Iterable[Outline], done: Collection[tuple[str, str]]) -> Census:
    """Studies by day, and those that are done.

    Args:
        found: what an archive holds of the days asked for.
        done: (study, content) that have their row. Where an archive does not tell the content, any will do:
            a study that changed since is found when its window is worked on, or by a night.
    """
    studies: Counter[date] = Counter()
    finished: Counter[date] = Counter()
    undated = 0
    with_rows = {study_uid for study_uid, _ in done}
    for study in found:
        if study.study_date is None:
            undated += 1
            continue
        studies[study.study_date] += 1
        if study.content_key is None:
            finished[study.study_date] += study.study_uid in with_rows
        else:
            finished[study.study_date] += (study.study_uid, study.content_key) in done
    return Census(studies, finished, undated)


def _may_pass(reason: str | None) -> bool:
    return reason is not None and Reason(reason).is_transient
