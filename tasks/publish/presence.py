"""Which studies of the lake their archive no longer holds, and how their rows say so.

A study is looked for in the archive that its standing row was read from. Its rows stay, with the moment at
which a night first missed it; when it is listed again, by any archive, the moment is taken back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.archive.scan import Window
from tasks.publish.lake import Lake

_COLUMNS = ("study_uid", "study_date", "superseded_at", "archive_key", "archive_gone_at")
# So many studies may go in one night whatever the share: in a small archive each is a large part.
FEW_STUDIES = 5


@dataclass(frozen=True, slots=True)
class Presence:
    """A lake's studies against a list of an archive.

    Attributes:
        known: how many of the archive's studies it should have listed, by the lake.
        missed: those of them that it did not list.
        returned: studies that are marked as gone and were listed.
    """

    known: int
    missed: tuple[str, ...]
    returned: tuple[str, ...]

    def is_believable(self, max_share: float) -> bool:
        """Whether so many studies may be gone, and it is not the archive that is unwell (unmounted, capped).

        Args:
            max_share: part of the known studies; of a small archive a few, but never more than half.
        """
        return len(self.missed) <= max(max_share * self.known, min(FEW_STUDIES, self.known // 2))


def presence_of(lake: Lake, archive_key: str, held: Collection[str], window: Window) -> Presence:
    """Compare the lake with what an archive listed.

    Args:
        held: the studies that it listed.
        window: the days that it was asked for; studies of other days cannot be missed.
    """
    all_days = not window.is_dated()
    stored = lake.screenings.read(_COLUMNS)
    known: set[str] = set()
    returned: set[str] = set()
    for uid, day, superseded_at, key, gone_at in zip(
        *(stored[name].to_pylist() for name in _COLUMNS), strict=True
    ):
        if gone_at is not None:
            if uid in held:
                returned.add(uid)
        elif key != archive_key or superseded_at is not None:
            continue
        elif all_days or (day is not None and window.holds(day)):
            known.add(uid)
    return Presence(len(known), tuple(sorted(known - set(held))), tuple(sorted(returned)))


def mark(lake: Lake, study_uids: Sequence[str], gone_at: datetime | None) -> None:
    """Say that an archive no longer holds studies, or, with None, that it holds them again.

    Raises:
        LakeBusyError: when another process writes.
    """
    if study_uids:
        with lake.locked("presence"):
            lake.screenings.set_column(study_uids, "archive_gone_at", gone_at)
