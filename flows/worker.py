"""What Dask loads into every worker process of this machine."""

from __future__ import annotations

import signal

from distributed import Worker


def dask_setup(_worker: Worker) -> None:
    """Leave Ctrl-C, which a terminal sends to all its processes, to the night: it ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
