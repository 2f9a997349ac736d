"""`screening.duckdb`: what readers open, built beside its place from Parquet and moved in whole.

It holds tables, no views on files: it opens read-only from anywhere, and stays whole when the lake is moved
or the night after rewrites Parquet under it. Beside the lake's own tables, each file of `sql/` becomes a
table of its name.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from tasks.files import replacing
from tasks.outcomes import Reason, Warn
from tasks.publish.lake import Lake
from tasks.publish.storage import LakeError
from tasks.schema import TABLES

SQL_FOLDER = Path(__file__).parents[2] / "sql"
BASE_TABLES = ("screenings", "vertebrae", "series", "runs", "reviews")  # identities are not for analysts
_COLUMNS_OF = {"screenings_latest": "screenings", "vertebrae_latest": "vertebrae", "worklist": "screenings"}


def analyst_queries() -> dict[str, str]:
    """The text of every file of `sql/` by its name without the ending."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(SQL_FOLDER.glob("*.sql"))}


def connect(lake: Lake) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB in which every table of the lake, and every file of `sql/`, is a view.

    The views read the lake's Parquet as it is at the time of a query. Moments are shown in UTC.

    Raises:
        ConfigurationError: when the folder holds no lake.
    """
    lake.require()
    connection = duckdb.connect(
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET VARIABLE lake = ?", [as_pattern(lake.root)])
    for name in BASE_TABLES:
        files = f"getvariable('lake') || '/{name}/{'*/' if _is_monthly(lake, name) else ''}*.parquet'"
        connection.execute(
            f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files}, "  # noqa: S608 - our own names
            "hive_partitioning = true, hive_types_autocast = false, union_by_name = true)"
        )
    for name, query in analyst_queries().items():
        connection.execute(f"CREATE VIEW {name} AS {query}")
    return connection


def build_database(lake: Lake) -> Path:
    """Build `screening.duckdb` from what the lake's Parquet says now; readers of the old one go on.

    Raises:
        ConfigurationError: when the folder holds no lake.
        LakeError: when DuckDB cannot write it.
        DiskFullError: when there is no room for it.
    """
    is_written = True
    try:
        _build(lake)
    except duckdb.IOException:
        is_written = False
    if not is_written:  # raised out here: DuckDB's error would keep its connection alive to the end
        raise LakeError(f"{lake.database} cannot be written: look whether its disk is full or read-only.")
    return lake.database


def _build(lake: Lake) -> None:
    with replacing(lake.database) as draft, connect(lake) as connection:
        connection.execute(f"ATTACH {quoted(str(draft))} AS built (TYPE duckdb)")
        for name in (*BASE_TABLES, *analyst_queries()):
            connection.execute(f"CREATE TABLE built.{name} AS FROM {name}")
            _comment(connection, name)
        _write_words(connection)
        connection.execute("CHECKPOINT built")
        connection.execute("DETACH built")


def as_pattern(path: Path) -> str:
    """A path as a glob that matches itself alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))


def _is_monthly(lake: Lake, name: str) -> bool:
    return name in (lake.screenings.name, lake.vertebrae.name, lake.series.name)


def _comment(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Give a built table the descriptions of the columns that the schema knows."""
    source = TABLES.get(_COLUMNS_OF.get(name, name))
    if source is None:
        return
    built = {row[0] for row in connection.execute(f"DESCRIBE built.{name}").fetchall()}
    about, *columns = source.sql_comments(f"built.{name}")
    connection.execute(about)
    for column, statement in zip(source.columns, columns, strict=True):
        if column.name in built:
            connection.execute(statement)


def _write_words(connection: duckdb.DuckDBPyConnection) -> None:
    """The closed lists with their sentences, for joins."""
    connection.execute("CREATE TABLE built.reasons (reason VARCHAR, outcome VARCHAR, sentence VARCHAR)")
    rows = [(str(reason), str(reason.outcome), reason.sentence) for reason in Reason]
    connection.executemany("INSERT INTO built.reasons VALUES (?, ?, ?)", rows)
    connection.execute("CREATE TABLE built.warning_words (warning VARCHAR, sentence VARCHAR)")
    connection.executemany(
        "INSERT INTO built.warning_words VALUES (?, ?)", [(str(word), word.sentence) for word in Warn]
    )


def quoted(text: str) -> str:
    """Text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
