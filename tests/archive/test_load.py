"""How much is asked of an archive at once, and how fast its answers are taken."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.archive import load as module
from tasks.archive.load import BURST_S, Load, shared_load
from tasks.settings import Cluster, Network


class Clock:
    """A clock that only sleeping moves on."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "time", clock)
        yield clock


@settings(deadline=None)
@given(
    per_s=st.integers(1, 10**9),
    steps=st.lists(st.tuples(st.integers(0, 10**8), st.floats(0, 5)), max_size=50),
)
def test_a_rate_is_kept_over_any_time_but_for_one_burst(
    clock: Clock, per_s: int, steps: list[tuple[int, float]]
) -> None:
    load, began_s, spent = Load(1, per_s), clock.now_s, 0
    for count, idle_s in steps:
        clock.now_s += idle_s
        load.spend(count)
        spent += count
        assert spent <= (clock.now_s - began_s + BURST_S) * per_s * (1 + 1e-6) + 1


def test_a_full_second_of_the_rate_comes_at_once_and_more_waits(clock: Clock) -> None:
    load = Load(1, 1000.0)
    assert load.spend(1000) == 0.0
    assert load.spend(500) == pytest.approx(0.5)


def test_without_a_rate_nothing_waits(clock: Clock) -> None:
    before_s = clock.now_s
    assert Load(1).spend(10**12) == 0.0
    assert clock.now_s == before_s


def test_no_more_requests_than_allowed_are_under_way() -> None:
    load, lock, under_way, most = Load(3), threading.Lock(), 0, 0

    def ask(_number: int) -> None:
        nonlocal under_way, most
        with load.request(within_s=60.0):
            with lock:
                under_way += 1
                most = max(most, under_way)
            with lock:
                under_way -= 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(ask, range(200)))
    assert 1 <= most <= 3


def test_waiting_for_a_place_ends() -> None:
    load = Load(1)
    with load.request(within_s=1.0), pytest.raises(TimeoutError), load.request(within_s=0.0):
        pytest.fail("two at once")
    with load.request(within_s=0.0):
        pass


@pytest.mark.parametrize(
    ("requests", "workers", "each"), [(8, 2, 4), (8, 3, 2), (2, 8, 1), (1, 1, 1)], ids=str
)
def test_workers_share_the_requests_and_each_has_one(requests: int, workers: int, each: int) -> None:
    network, cluster = Network(max_requests=requests), Cluster(kind="local", workers=workers)
    assert shared_load("some archive", network, cluster).max_requests == each


def test_one_archive_has_one_load_in_a_process() -> None:
    network, cluster = Network(max_mb_per_s=2.0), Cluster(kind="inline")
    assert shared_load("a", network, cluster) is shared_load("a", network, cluster)
    assert shared_load("a", network, cluster) is not shared_load("b", network, cluster)


def test_workers_share_the_rate(clock: Clock) -> None:
    network, cluster = Network(max_mb_per_s=4.0), Cluster(kind="local", workers=2)
    load = shared_load("rate", network, cluster)
    assert load.spend(2_000_000) == 0.0
    assert load.spend(1_000_000) == pytest.approx(0.5)
