"""Who may write to a lake, who waits for whom, and what is left of one that was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.publish.lock import LakeBusyError, exclusive, holder, is_wanted

HOLD = """
import sys, time
from pathlib import Path
from tasks.publish.lock import exclusive, is_wanted
path, gives_way, patience = Path(sys.argv[1]), sys.argv[2] == "yes", float(sys.argv[3])
with exclusive(path, "another", gives_way=gives_way, patience_s=patience):
    print("held", flush=True)
    while not (gives_way and is_wanted(path)):
        time.sleep(0.05)
"""


@contextmanager
def another(
    path: Path, *, gives_way: bool = False, patience_s: float = 0.0
) -> Iterator[subprocess.Popen[str]]:
    """A process that takes the lock and keeps it until it is killed, or lets go of it when it is wanted."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path, "yes" if gives_way else "no", str(patience_s)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def has_it(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return process.stdout.readline() == "held\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lake.lock"


def test_a_second_writer_leaves_at_once_and_says_who_writes(path: Path) -> None:
    with another(path) as other, pytest.raises(LakeBusyError, match=rf"another on .*process {other.pid}"):
        assert has_it(other)
        with exclusive(path, "me", patience_s=60.0):
            pass


def test_a_writer_that_gives_way_does_so_for_one_that_waits(path: Path) -> None:
    with another(path, gives_way=True) as other:
        assert has_it(other)
        assert not is_wanted(path)
        with exclusive(path, "a night", patience_s=60.0):
            assert other.wait(timeout=30) == 0
            assert not is_wanted(path)


def test_patience_ends(path: Path) -> None:
    with (
        exclusive(path, "a backfill", gives_way=True),
        pytest.raises(LakeBusyError, match="a backfill"),
        exclusive(path, "a night", patience_s=0.01),
    ):
        pass
    assert not is_wanted(path)


def test_who_waits_is_seen_and_who_died_waiting_is_not(path: Path) -> None:
    with exclusive(path, "a backfill", gives_way=True), another(path, patience_s=600.0) as waiting:
        wait_until_wanted(path)
        waiting.send_signal(signal.SIGKILL)
        waiting.wait(timeout=30)
        assert not is_wanted(path)


def test_two_that_wait_do_not_hide_each_other(path: Path) -> None:
    with exclusive(path, "a backfill", gives_way=True), another(path, patience_s=600.0):
        wait_until_wanted(path)
        with pytest.raises(LakeBusyError), exclusive(path, "impatient", patience_s=0.01):
            pass
        assert is_wanted(path)


def test_who_waits_for_a_backfill_does_not_wait_for_the_night_that_comes_first(path: Path) -> None:
    refused: list[str] = []

    def wait() -> None:
        try:
            with exclusive(path, "a late night", patience_s=60.0):
                pass
        except LakeBusyError as error:
            refused.append(str(error))

    late = threading.Thread(target=wait)
    with exclusive(path, "a backfill", gives_way=True):
        late.start()
        wait_until_wanted(path)
        # the same file, as the backfill would have left it to a night that was quicker
        path.write_text("an early night on host, process 1, since today\n")
        late.join(timeout=30)
    assert len(refused) == 1
    assert "an early night" in refused[0]


def test_a_lock_tells_who_holds_it(path: Path) -> None:
    assert holder(path) is None
    with exclusive(path, "a backfill"):
        assert (holder(path) or "").startswith("a backfill on ")
    assert holder(path) is None
    with another(path) as other:
        assert has_it(other)
    assert holder(path) is None  # although its line may still stand in the file


def wait_until_wanted(path: Path) -> None:
    deadline_s = time.monotonic() + 30.0
    while not is_wanted(path):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
