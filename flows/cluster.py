"""Dask by configuration: where the studies of a night are worked on.

`fan_out` is the only way in: it runs one function over many items, keeps a bounded number in flight, yields
each result as it completes, and turns a study that kills its workers into an answer instead of an end of
the night.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, wait

from tasks.outcomes import ConfigurationError
from tasks.settings import Cluster

# Where glibc's allocator arrives by itself in a process that works on images (mallopt(3), M_MMAP_THRESHOLD).
# Dask starts its workers with a trim threshold of 64 KiB, which ends that adjustment too: every array of
# 128 KiB and more is then fetched from the system page by page, which takes a third of a study's time.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2), "MALLOC_TRIM_THRESHOLD_": str(64 * 1024**2)}
# A worker that is away is its nanny's to bring back. By default Dask looks once, 15 s after a loss, and ends
# the nanny for good if the worker happens to be away just then: the cluster shrinks, in the end to none.
_LOST_WORKER_TIMEOUT = "30 days"
# Studies in flight per worker thread: one at work, one ready, so that no thread waits for the scheduler.
_IN_FLIGHT_PER_THREAD = 2
_POLL_S = 2.0

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Running = dict["Future[Answer]", tuple[Item, float]]
"""Studies on workers, each with the moment at which it is given up."""


@dataclass(frozen=True, slots=True)
class Lost(Generic[Item]):
    """An item whose worker died, or gave no answer, each time it was tried."""

    item: Item
    detail: str


@contextmanager
def dask_client(cluster: Cluster) -> Iterator[Client | None]:
    """A client of the configured cluster; None for `inline`, which works in this process.

    Raises:
        ConfigurationError: when the cluster cannot be had as configured.
    """
    # Where Prefect was imported first, Dask has no handler of its own that `silence_logs` could silence.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    dask.config.set(
        {
            "distributed.scheduler.allowed-failures": cluster.study_tries - 1,
            "distributed.worker.daemon": True,
            "distributed.worker.preload": ["flows.worker"],
            "distributed.deploy.lost-worker-timeout": _LOST_WORKER_TIMEOUT,
            **{f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in _MALLOC.items()},
            "distributed.admin.large-graph-warning-threshold": "64MiB",
        }
    )
    if cluster.kind == "inline":
        yield None
    elif cluster.kind == "address":
        if not cluster.address:
            raise ConfigurationError(
                "cluster.kind is 'address': set cluster.address to the scheduler's address."
            )
        with _connected(cluster.address) as client:
            yield client
    else:
        with _started(cluster) as running, Client(running) as client:
            yield client


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=30)
    except OSError as error:
        raise ConfigurationError(f"No Dask scheduler answers at {address}: {error}. Is it running?") from None
    with client:
        yield client


@contextmanager
def _started(cluster: Cluster) -> Iterator[LocalCluster]:
    workers = cluster.workers or os.cpu_count() or 1
    if cluster.kind == "local":
        with LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=cluster.memory_limit,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as running:
            yield running
        return
    try:
        if cluster.kind == "slurm":
            from dask_jobqueue import SLURMCluster as Chosen
        else:
            from dask_kubernetes.operator import KubeCluster as Chosen
    except ImportError:
        raise ConfigurationError(
            f"cluster.kind is '{cluster.kind}', which needs: pip install 'osteoscreen[{cluster.kind}]'"
        ) from None
    with Chosen(**cluster.options) as running:
        running.scale(workers)
        yield running


def fan_out(
    client: Client | None,
    function: Callable[[Item], Answer],
    items: Iterable[Item],
    *,
    timeout_s: float,
) -> Iterator[Answer | Lost[Item]]:
    """Run `function` over `items`; yield each answer when it is there, in no particular order.

    Items are taken from the iterable only as fast as they are worked off. An item whose workers died is
    tried once more by itself, so that a study which was only in bad company is not blamed.

    Args:
        client: from `dask_client`; None works in this process, one by one.
        function: called on a worker; must be importable there, and return something small.
        items: what to work on.
        timeout_s: an item that gives no answer for so long has its worker restarted and is given up.
    """
    if client is None:
        yield from map(function, items)
        return
    suspects: list[Item] = []
    for answer in _run(client, function, items, _in_flight(client), timeout_s):
        if isinstance(answer, Lost):
            suspects.append(answer.item)
        else:
            yield answer
    yield from _run(client, function, suspects, 1, timeout_s)


def _in_flight(client: Client) -> int:
    threads = sum(client.nthreads().values()) or 1
    return threads * _IN_FLIGHT_PER_THREAD


def _run(
    client: Client,
    function: Callable[[Item], Answer],
    items: Iterable[Item],
    in_flight: int,
    timeout_s: float,
) -> Iterator[Answer | Lost[Item]]:
    waiting = iter(items)
    running: Running[Answer, Item] = {}

    def refill() -> None:
        for item in islice(waiting, in_flight - len(running)):
            future = client.submit(function, item, pure=False)
            running[future] = (item, time.monotonic() + timeout_s)

    refill()
    while running:
        done = _finished(running)
        for finished in done:
            item, _ = running.pop(finished)
            answer: Answer | Lost[Item] = _answer(finished, item)
            yield answer
        for future in _overdue(running):
            item, _ = running.pop(future)
            _restart_worker_of(client, future)
            yield Lost(item, f"no answer within {timeout_s:.0f} s")
        refill()


def _finished(running: Running[Answer, Item]) -> list[Future[Answer]]:
    try:
        return list(wait(list(running), timeout=_POLL_S, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return []


def _answer(future: Future[Answer], item: Item) -> Answer | Lost[Item]:
    """The result of a finished future; any exception but a lost worker is a bug and is raised."""
    try:
        result: Answer = future.result()
    except KilledWorker:
        return Lost(item, "its worker process died each time")
    return result


def _overdue(running: Running[Answer, Item]) -> list[Future[Answer]]:
    now = time.monotonic()
    return [future for future, (_, deadline) in running.items() if now > deadline and not future.done()]


def _restart_worker_of(client: Client, future: Future[Answer]) -> None:
    """A thread cannot be stopped, so its process is: Dask gives the other studies on it to someone else."""
    workers = [address for address, keys in client.processing().items() if future.key in keys]
    future.cancel(force=True)
    if workers:
        client.restart_workers(workers, timeout=60, raise_for_error=False)
