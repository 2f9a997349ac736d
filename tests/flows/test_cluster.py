"""Fanning out over real worker processes: every item is answered, whatever one of them does to its worker."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator

import pytest
from distributed import Client

from flows.cluster import Lost, dask_client, fan_out
from tasks.outcomes import ConfigurationError
from tasks.settings import Cluster
from tests.flows.chores import die_at_three, double, hang_at_three, pages_for_arrays, raise_at_three

WORKERS = 2
# Two for each worker, and the one that was answered.
MOST_TAKEN_AHEAD = 2 * WORKERS + 1
pytestmark = pytest.mark.xdist_group("cluster")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A cluster of two processes on this machine, as a night has it."""
    with dask_client(Cluster(kind="local", workers=WORKERS)) as running:
        assert running is not None
        yield running


def answers(
    client: Client | None, function: Callable[[int], int], items: list[int], timeout_s: float = 60.0
) -> tuple[list[int], list[Lost[int]]]:
    """(the answers sorted, what was lost)."""
    given: list[int] = []
    lost: list[Lost[int]] = []
    for answer in fan_out(client, function, items, timeout_s=timeout_s):
        if isinstance(answer, Lost):
            lost.append(answer)
        else:
            given.append(answer)
    return sorted(given), lost


def test_every_item_is_answered_once(client: Client) -> None:
    assert answers(client, double, list(range(40))) == ([2 * number for number in range(40)], [])


def test_nothing_to_do_ends_at_once(client: Client) -> None:
    assert answers(client, double, []) == ([], [])
    assert answers(None, double, []) == ([], [])


def test_inline_works_in_this_process_one_by_one() -> None:
    with dask_client(Cluster(kind="inline")) as nobody:
        assert nobody is None
        assert answers(nobody, double, [1, 2, 3]) == ([2, 4, 6], [])


def test_an_item_that_kills_its_worker_is_lost_and_every_other_is_answered(client: Client) -> None:
    given, lost = answers(client, die_at_three, list(range(12)))
    assert given == [2 * number for number in range(12) if number != 3]
    assert [answer.item for answer in lost] == [3]
    assert "died" in lost[0].detail


def test_an_item_that_hangs_is_given_up_and_every_other_is_answered(client: Client) -> None:
    began_s = time.monotonic()
    given, lost = answers(client, hang_at_three, list(range(12)), timeout_s=4.0)
    assert given == [2 * number for number in range(12) if number != 3]
    assert [answer.item for answer in lost] == [3]
    assert "no answer within 4 s" in lost[0].detail
    assert time.monotonic() - began_s < 120


def test_the_cluster_is_whole_after_losses(client: Client) -> None:
    answers(client, die_at_three, [3])
    client.wait_for_workers(WORKERS, timeout=60)
    assert answers(client, double, list(range(8))) == ([2 * number for number in range(8)], [])


def test_a_bug_is_raised_and_not_taken_for_a_loss(client: Client) -> None:
    with pytest.raises(LookupError, match="three"):
        answers(client, raise_at_three, list(range(6)))
    with pytest.raises(LookupError, match="three"):
        answers(None, raise_at_three, list(range(6)))


def test_items_are_taken_only_as_fast_as_they_are_worked_off(client: Client) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    running = fan_out(client, double, items(), timeout_s=60.0)
    for answered in range(1, 20):
        next(running)
        assert taken <= answered + MOST_TAKEN_AHEAD
    assert taken < 1000


def test_inline_takes_nothing_ahead() -> None:
    items = iter(range(10))
    assert next(fan_out(None, double, items, timeout_s=1.0)) == 0
    assert next(items) == 1


def test_a_worker_keeps_the_memory_of_one_array_for_the_next(client: Client) -> None:
    arrays = 50
    pages_of_one = 2**20 // resource.getpagesize()
    assert client.submit(pages_for_arrays, arrays).result() < arrays * pages_of_one / 10


def test_an_address_must_be_given_and_answer() -> None:
    with pytest.raises(ConfigurationError, match=r"cluster\.address"), dask_client(Cluster(kind="address")):
        pass


def test_an_existing_scheduler_is_used_and_left_running(client: Client) -> None:
    address = client.scheduler_info()["address"]
    with dask_client(Cluster(kind="address", address=address)) as other:
        assert answers(other, double, [1, 2]) == ([2, 4], [])
    assert answers(client, double, [5]) == ([10], [])
