"""`Load`: how much a process asks of an archive at once, and how fast it takes the answers.

A hospital's archive serves physicians first. Every peer opens a request inside `Load.request` and tells
`Load.spend` of each piece of an answer before it takes the next, so that a limit on the rate slows the sender
down, piece by piece, by what TCP has not yet taken.

One process is limited here. Several workers share the site's limits by dividing them (`shared_load`): that
needs nothing between them, and holds on one machine as on many.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from tasks.settings import Cluster, Network

# What may come at once after a pause, in seconds of the rate: enough for one slice not to wait for the next.
BURST_S = 1.0
BYTES_PER_MB = 1_000_000


class Load:
    """Requests at once, and bytes a second. Safe for use by several threads.

    Args:
        max_requests: requests under way at once.
        max_bytes_per_s: mean rate of answers; None for no limit.
    """

    def __init__(self, max_requests: int, max_bytes_per_s: float | None = None) -> None:
        self.max_requests = max_requests
        self._places = threading.BoundedSemaphore(max_requests)
        self._bucket = None if max_bytes_per_s is None else _Bucket(max_bytes_per_s)

    @contextmanager
    def request(self, within_s: float) -> Iterator[None]:
        """A place for one request, given back at the end of the block.

        Raises:
            TimeoutError: when no place became free within so many seconds.
        """
        if not self._places.acquire(timeout=within_s):
            raise TimeoutError("other requests held every place")
        try:
            yield
        finally:
            self._places.release()

    def spend(self, count: int) -> float:
        """Account for bytes that came, and wait as long as the rate asks for; returns the seconds waited."""
        wait_s = self._bucket.take(count) if self._bucket else 0.0
        if wait_s > 0.0:
            time.sleep(wait_s)
        return wait_s


class _Bucket:
    """A token bucket that may go into debt: what came has come, so only the next piece can wait."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._tokens = per_s * BURST_S
        self._at_s = time.monotonic()
        self._lock = threading.Lock()

    def take(self, count: int) -> float:
        """Seconds until the debt that these bytes leave is paid."""
        with self._lock:
            now_s = time.monotonic()
            gained = (now_s - self._at_s) * self._per_s
            self._tokens = min(self._tokens + gained, self._per_s * BURST_S) - count
            self._at_s = now_s
            return max(0.0, -self._tokens / self._per_s)


def shared_load(archive_key: str, network: Network, cluster: Cluster) -> Load:
    """The load of this process on one archive: its share of what the settings allow.

    Each of the workers of the cluster has an equal part of the rate, and of the requests, rounded down but
    never less than one: with more workers than `network.max_requests` there is one request for each worker.
    """
    workers = 1 if cluster.kind == "inline" else cluster.workers or os.cpu_count() or 1
    rate = network.max_mb_per_s
    return _load(
        archive_key,
        max(1, network.max_requests // workers),
        None if rate is None else rate * BYTES_PER_MB / workers,
    )


@cache
def _load(_archive_key: str, max_requests: int, max_bytes_per_s: float | None) -> Load:
    return Load(max_requests, max_bytes_per_s)
