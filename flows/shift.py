"""`Shift`: how long a run may go on beginning studies. A night works to its end; a backfill is stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from tasks.outcomes import Reason
from tasks.publish.lake import Lake

# Studies in a row whose images an archive did not deliver; some minutes may have been waited for each.
MAX_UNAVAILABLE = 10


@dataclass(slots=True)
class Silence:
    """Whether an archive stopped answering while its studies were worked on.

    Attributes:
        in_a_row: studies in a row that it did not deliver.
    """

    in_a_row: int = 0

    def hear(self, reason: Reason | None) -> None:
        """One more study has ended; what is no CT was not asked for, and says nothing of the archive."""
        if reason is Reason.ARCHIVE_UNAVAILABLE:
            self.in_a_row += 1
        elif reason is not Reason.NOT_CT:
            self.in_a_row = 0

    def is_lasting(self) -> bool:
        """Whether to ask for another study is to wait in vain."""
        return self.in_a_row >= MAX_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Shift:
    """What ends a run before all its studies are done.

    Attributes:
        lake: that it writes to.
        ends_at: no study is begun after it; None for no such moment.
        gives_way: no study is begun once another run wants the lake.
        silence: no study is begun once the archive has stopped answering.
    """

    lake: Lake
    ends_at: datetime | None = None
    gives_way: bool = False
    silence: Silence = field(default_factory=Silence)

    def is_over(self) -> bool:
        """Whether another study may no longer be begun."""
        if self.ends_at is not None and datetime.now(UTC) >= self.ends_at:
            return True
        if self.silence.is_lasting():
            return True
        return self.gives_way and self.lake.is_wanted()
