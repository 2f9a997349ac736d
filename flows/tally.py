"""The account of a run: how many studies were found, what became of them, and whether it adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tasks.outcomes import OsteoscreenError, Outcome, Reason


class ConservationError(OsteoscreenError):
    """Studies found are not the sum of studies scored, excluded and failed."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one run.

    Attributes:
        found: studies that the archive holds in the window asked for.
        outcomes: how many of them stand as scored, excluded, failed, after the run.
        reasons: how many for each reason.
        unchanged: of those found, how many an earlier run had finished.
        resumed: of those found, how many were taken over from a run that died.
        left: studies that a run which was told to stop has not begun, and not among those found.
        arriving: studies still being received, left for a later run and not among those found.
        settled_at: when all of those will have been quiet for long enough; None when there are none.
        gone: studies that the archive was first found not to hold any more; their rows stay, marked.
        archive_note: what was odd about the archive, in a sentence.
        unreadable_files: files that should be DICOM and name no study.
    """

    found: int
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    reasons: Mapping[Reason, int] = field(default_factory=dict)
    unchanged: int = 0
    resumed: int = 0
    left: int = 0
    arriving: int = 0
    settled_at: datetime | None = None
    gone: int = 0
    archive_note: str = ""
    unreadable_files: int = 0

    @property
    def scored(self) -> int:
        """Studies with a score."""
        return self.outcomes.get(Outcome.SCORED, 0)

    @property
    def excluded(self) -> int:
        """Studies refused."""
        return self.outcomes.get(Outcome.EXCLUDED, 0)

    @property
    def failed(self) -> int:
        """Studies in which something broke."""
        return self.outcomes.get(Outcome.FAILED, 0)

    def check(self) -> None:
        """Found = scored + excluded + failed.

        Raises:
            ConservationError: when it is not.
        """
        accounted = self.scored + self.excluded + self.failed
        if accounted != self.found:
            raise ConservationError(
                f"{self.found} studies were found but {accounted} have a row. This is a bug: "
                "keep the lake as it is and report the run id; starting the same command again is safe."
            )

    def lines(self) -> list[tuple[str, int]]:
        """Outcomes, each with its reasons below it, the most frequent first."""
        lines = [("found", self.found)]
        for outcome in Outcome:
            lines.append((str(outcome), self.outcomes.get(outcome, 0)))
            of_outcome = [item for item in self.reasons.items() if item[0].outcome is outcome]
            lines += [
                (f"  {reason}", number) for reason, number in sorted(of_outcome, key=lambda item: -item[1])
            ]
        return lines

    def as_json(self) -> dict[str, object]:
        """The tally as plain values."""
        return {
            "found": self.found,
            "scored": self.scored,
            "excluded": self.excluded,
            "failed": self.failed,
            "reasons": {str(reason): count for reason, count in self.reasons.items()},
            "unchanged": self.unchanged,
            "resumed": self.resumed,
            "left": self.left,
            "arriving": self.arriving,
            "settled_at": self.settled_at.isoformat(timespec="seconds") if self.settled_at else None,
            "gone": self.gone,
            "archive_note": self.archive_note or None,
            "unreadable_files": self.unreadable_files,
        }


def count(rows: Iterable[tuple[Outcome, Reason | None]]) -> tuple[Counter[Outcome], Counter[Reason]]:
    """Outcomes and reasons, counted."""
    outcomes: Counter[Outcome] = Counter()
    reasons: Counter[Reason] = Counter()
    for outcome, reason in rows:
        outcomes[outcome] += 1
        if reason is not None:
            reasons[reason] += 1
    return outcomes, reasons
