"""Reading the lake with SQL: the worklist, and an analyst's own queries, which can change nothing."""

from __future__ import annotations

from datetime import date

import duckdb
import pyarrow as pa

from tasks.outcomes import ConfigurationError
from tasks.publish.database import BASE_TABLES, connect, quoted
from tasks.publish.lake import Lake


def worklist(lake: Lake, day: date | None = None) -> pa.Table:
    """The worklist of `sql/worklist.sql`, the most urgent first.

    Args:
        day: only studies that were screened on this day, UTC.

    Raises:
        ConfigurationError: when the folder holds no lake.
    """
    with connect(lake) as connection:
        listed = connection.sql("SELECT * FROM worklist ORDER BY place")
        if day is not None:
            listed = listed.filter(f"timezone('UTC', screened_at)::DATE = DATE '{day.isoformat()}'")
        return listed.to_arrow_table()


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
    with connect(lake) as connection:
        _confine(connection, lake)
        try:
            return connection.sql(query).to_arrow_table()
        except duckdb.Error as error:
            raise ConfigurationError(f"The query cannot be run: {error}") from None


def _confine(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Let the connection read the analysts' folders of the lake only, and keep it so."""
    folders = ", ".join(quoted(f"{lake.root / name}/") for name in BASE_TABLES)
    connection.execute(f"SET allowed_directories = [{folders}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
