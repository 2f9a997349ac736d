"""Reading the lake with SQL: the worklist, and an analyst's own queries, which can change nothing.

DuckDB opens a Parquet file once for its footer and again for its data. A night that publishes in between
would make it read one file by the other's footer: an error, or worse. So a query during which a file was
replaced is asked again. Who reads the Parquet with other tools should do the same, or read
`screening.duckdb`, which is opened once.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from tasks.outcomes import ConfigurationError
from tasks.publish.database import BASE_TABLES, as_pattern, connect, quoted
from tasks.publish.lake import Lake

MOST_TRIES = 10  # with growing pauses five seconds and more: a night publishes for a second at a time
PAUSE_S = 0.1


def worklist(lake: Lake, day: date | None = None) -> pa.Table:
    """The worklist of `sql/worklist.sql`, the most urgent first.

    Args:
        day: only studies that were screened on this day, UTC.

    Raises:
        ConfigurationError: when the folder holds no lake.
    """
    query = "SELECT * FROM worklist"
    if day is not None:
        query += f" WHERE timezone('UTC', screened_at)::DATE = DATE '{day.isoformat()}'"
    return _steady(lake, f"{query} ORDER BY place")


def run_sql(lake: Lake, query: str) -> pa.Table:
    """The answer to one read-only query over the lake's tables and the views of `sql/`.

    The query sees the lake's Parquet and nothing else of this machine: no other file, no network, no
    identities/; it can write nowhere.

    Raises:
        ConfigurationError: when it is no single SELECT, or DuckDB cannot run it; the text says why.
    """
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise ConfigurationError(f"The query cannot be read: {error}") from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise ConfigurationError(
            "osteoscreen sql reads only: give it one SELECT (FROM, WITH, DESCRIBE and SUMMARIZE are fine)."
        )
    try:
        return _steady(lake, query)
    except duckdb.Error as error:
        raise ConfigurationError(f"The query cannot be run: {error}") from None


def _steady(lake: Lake, query: str) -> pa.Table:
    """The answer to a query over files that stayed the same while it ran; the last try counts as it is."""
    for tries in range(MOST_TRIES):
        time.sleep(tries * PAUSE_S)
        before = _files(lake)
        try:
            answer = _ask(lake, query)
        except duckdb.Error:
            if _files(lake) == before:
                raise
            continue
        if _files(lake) == before:
            return answer
    return _ask(lake, query)


def _ask(lake: Lake, query: str) -> pa.Table:
    with connect(lake) as connection:
        _confine(connection, lake)
        return connection.sql(query).to_arrow_table()


def _files(lake: Lake) -> set[tuple[Path, int, int]]:
    """Every file that a query may read; one that was replaced differs in inode or time."""
    found = set()
    for name in BASE_TABLES:
        for path in (lake.root / name).rglob("*.parquet"):
            with suppress(FileNotFoundError):
                facts = path.stat()
                found.add((path, facts.st_ino, facts.st_mtime_ns))
    return found


def _confine(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Let the connection read the analysts' folders of the lake only, and keep it so."""
    roots = dict.fromkeys((str(lake.root), as_pattern(lake.root)))  # it asks of patterns and of files
    folders = ", ".join(quoted(f"{root}/{name}/") for root in roots for name in BASE_TABLES)
    connection.execute(f"SET allowed_directories = [{folders}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
