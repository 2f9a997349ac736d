"""When a question is asked again: pauses that grow, and those that a server asks for."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# The first pause, then each time twice as long, and up to half as much again by chance: workers that failed
# together shall not come back together.
FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 20.0


class TryAgain(Exception):  # noqa: N818 - a try that failed in a way that may pass
    """A try failed in a way that may pass.

    Args:
        why: half a sentence for a person.
        after_s: how long the server asked to be left alone.
    """

    def __init__(self, why: str, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        self.after_s = after_s


def pauses(retries: int) -> Iterator[float]:
    """Seconds to wait before each further try."""
    for number in range(retries):
        pause_s = min(FIRST_PAUSE_S * 2**number, MAX_PAUSE_S)
        yield pause_s * (1.0 + random.random() / 2)  # noqa: S311 - no secret


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: a number, or a date); 0 without one."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
