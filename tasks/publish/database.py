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
from tasks.publish.views import STUDY_MONTH, View, analyst_queries, analyst_views
from tasks.schema import TABLES

WORD_TABLES = ("reasons", "warning_words")
_WORDS = {
    "TABLE built.reasons": "Every reason why a study may not be scored.",
    "COLUMN built.reasons.reason": "The word, as in screenings.reason.",
    "COLUMN built.reasons.outcome": "How a study ends for it: excluded or failed.",
    "COLUMN built.reasons.sentence": "What it means.",
    "TABLE built.warning_words": "Every doubt that may travel with a score.",
    "COLUMN built.warning_words.warning": "The word, as in screenings.warnings.",
    "COLUMN built.warning_words.sentence": "What it means.",
}
BASE_TABLES = ("screenings", "vertebrae", "series", "runs", "reviews")  # identities are not for analysts


def connect(lake: Lake) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB in which every table of the lake, and every file of `sql/`, is a view.

    `reasons` and `warning_words` stand beside them, with the sentence of each word. The views read the lake's
    Parquet as it is at the time of a query. Moments are shown in UTC.

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
    _make_words(connection)
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
        for name in BASE_TABLES:
            connection.execute(f"CREATE TABLE built.{name} AS FROM {name}")
            _comment_table(connection, lake, name)
        for name, view in analyst_views().items():
            connection.execute(f"CREATE TABLE built.{name} AS FROM {name}")
            _comment_view(connection, name, view)
        for name in WORD_TABLES:
            connection.execute(f"CREATE TABLE built.{name} AS FROM {name}")
        for name, text in _WORDS.items():
            connection.execute(f"COMMENT ON {name} IS {quoted(text)}")
        connection.execute("CHECKPOINT built")
        connection.execute("DETACH built")


def as_pattern(path: Path) -> str:
    """A path as a glob that matches itself alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))


def _is_monthly(lake: Lake, name: str) -> bool:
    return name in (lake.screenings.name, lake.vertebrae.name, lake.series.name)


def _comment_table(connection: duckdb.DuckDBPyConnection, lake: Lake, name: str) -> None:
    """Give one of the lake's own tables, as built, the descriptions of its schema."""
    for statement in TABLES[name].sql_comments(f"built.{name}"):
        connection.execute(statement)
    if _is_monthly(lake, name):
        connection.execute(f"COMMENT ON COLUMN built.{name}.study_month IS {quoted(STUDY_MONTH)}")


def _comment_view(connection: duckdb.DuckDBPyConnection, name: str, view: View) -> None:
    """Give the table of a file of `sql/`, as built, what the file's header says."""
    connection.execute(f"COMMENT ON TABLE built.{name} IS {quoted(view.about)}")
    for column, *_ in connection.execute(f"DESCRIBE built.{name}").fetchall():
        if column in view.meanings:
            text = quoted(view.meanings[column])
            connection.execute(f'COMMENT ON COLUMN built.{name}."{column}" IS {text}')


def _make_words(connection: duckdb.DuckDBPyConnection) -> None:
    """The closed lists with their sentences, for joins."""
    connection.execute(
        "CREATE TABLE reasons AS SELECT unnest(?) AS reason, unnest(?) AS outcome, unnest(?) AS sentence",
        [
            [str(word) for word in Reason],
            [str(word.outcome) for word in Reason],
            [word.sentence for word in Reason],
        ],
    )
    connection.execute(
        "CREATE TABLE warning_words AS SELECT unnest(?) AS warning, unnest(?) AS sentence",
        [[str(word) for word in Warn], [word.sentence for word in Warn]],
    )


def quoted(text: str) -> str:
    """Text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
