"""kill -9 at any moment, a second writer, and readers all the while."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from tasks.publish.database import build_database
from tasks.publish.lake import Lake
from tasks.publish.lock import LakeBusyError
from tasks.publish.query import run_sql
from tests.publish.results import result

ROOT = Path(__file__).parents[2]
STUDIES = 40
PUBLISH_FOR_EVER = f"""
import sys
from datetime import date
from pathlib import Path
from tasks.publish.lake import Lake
from tests.publish.results import result

lake = Lake(Path(sys.argv[1]))
with lake.locked("the first night"):
    print("ready", flush=True)
    while True:
        lake.publish([result(str(n), day=date(2026, 1 + n % 3, 1)) for n in range({STUDIES})])
"""


def start_writer(lake: Path) -> subprocess.Popen[str]:
    writer = subprocess.Popen(
        [sys.executable, "-c", PUBLISH_FOR_EVER, str(lake)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


def kill(writer: subprocess.Popen[str]) -> None:
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()


def test_a_killed_writer_leaves_whole_months_and_a_free_lake(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    moments = random.Random(20260110)
    for _ in range(8):
        writer = start_writer(lake.root)
        time.sleep(moments.uniform(0.0, 0.4))
        kill(writer)
        for path in lake.root.rglob("*.parquet"):
            pq.ParquetFile(path).read()
        stored = pq.read_table(lake.root / "screenings")["study_uid"].to_pylist()
        assert len(stored) == len(set(stored))
    lake.publish([result(str(n)) for n in range(STUDIES)])
    assert len(lake.finished()) == STUDIES
    assert not list(lake.root.rglob(".*.tmp*")), "what dead writers left is swept away"


def test_a_second_night_is_told_who_holds_the_lake(tmp_path: Path) -> None:
    writer = start_writer(tmp_path / "lake")
    try:
        with pytest.raises(LakeBusyError, match=rf"the first night on .*process {writer.pid}, since 20"):
            Lake(tmp_path / "lake").publish([result()])
    finally:
        kill(writer)
    Lake(tmp_path / "lake").publish([result()])


def test_readers_never_fail_while_months_and_database_are_replaced(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.publish([result(str(n)) for n in range(STUDIES)])
    build_database(lake)

    def read_database() -> None:
        with duckdb.connect(str(lake.database), read_only=True) as connection:
            assert connection.execute("SELECT count(*) FROM worklist").fetchone() == (STUDIES,)

    def read_with_sql() -> None:
        answer = run_sql(
            lake, "SELECT count(*) AS rows, count(DISTINCT study_uid) AS studies FROM screenings"
        )
        assert answer.to_pylist() == [{"rows": STUDIES, "studies": STUDIES}]

    def read_history() -> None:
        ((_, vertebrae),) = lake.history("7")
        assert len(vertebrae) == 2

    done = threading.Event()

    def keep(read: Callable[[], None]) -> int:
        times = 0
        while not done.is_set() or not times:
            read()
            times += 1
        return times

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(keep, read) for read in (read_database, read_with_sql, read_history)]
        for hour in range(4):
            lake.publish([result(str(n), hour=hour, probability=0.1 * hour) for n in range(STUDIES)])
            build_database(lake)
        done.set()
        assert min(reader.result() for reader in readers) >= 1
