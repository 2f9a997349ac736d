"""`Shift`: how long a run may go on beginning studies. A night works to its end; a backfill is stopped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.publish.lake import Lake


@dataclass(frozen=True, slots=True)
class Shift:
    """What ends a run before all its studies are done.

    Attributes:
        lake: that it writes to.
        ends_at: no study is begun after it; None for no such moment.
        gives_way: no study is begun once another run wants the lake.
    """

    lake: Lake
    ends_at: datetime | None = None
    gives_way: bool = False

    def is_over(self) -> bool:
        """Whether another study may no longer be begun."""
        if self.ends_at is not None and datetime.now(UTC) >= self.ends_at:
            return True
        return self.gives_way and self.lake.is_wanted()
