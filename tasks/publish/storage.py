"""Parquet files of one table each: read with today's schema, whatever wrote them; written whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.files import PUBLIC_FILE, replacing
from tasks.outcomes import OsteoscreenError
from tasks.schema import TABLES

ROWS_PER_GROUP = 250_000  # DuckDB and Arrow read row groups of 100,000 to 1,000,000 rows best


class LakeError(OsteoscreenError):
    """A file of the lake cannot be used as it is."""


def read_table(
    path: Path, table: str, columns: Sequence[str] | None = None, studies: Sequence[str] | None = None
) -> pa.Table:
    """A file's rows with the table's schema of today; a column that an older writer did not know is null.

    Args:
        columns: only these.
        studies: only rows of these StudyInstanceUIDs.

    Raises:
        LakeError: when the file is damaged, or a newer osteoscreen wrote it.
    """
    schema = TABLES[table].schema
    wanted = list(columns or schema.names)
    try:
        # One handle for the footer and the data: by name, the file could be replaced between the two.
        with pa.OSFile(str(path)) as handle:
            names = set(pq.read_schema(handle).names)
            handle.seek(0)
            stored = pq.read_table(
                handle,
                columns=[name for name in wanted if name in names],
                filters=None if studies is None else pc.field("study_uid").isin(list(studies)),
            )
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from None
    if unknown := sorted(names - set(schema.names)):
        raise LakeError(
            f"{path} has the columns {', '.join(unknown)}, which this version does not know: "
            "a newer osteoscreen wrote it. Upgrade this one."
        )
    fields = [schema.field(name) for name in wanted]
    return pa.table(
        [
            stored[field.name].cast(field.type) if field.name in names else pa.nulls(len(stored), field.type)
            for field in fields
        ],
        schema=pa.schema(fields, schema.metadata),
    )


def has_other_columns(path: Path, table: str) -> bool:
    """Whether a file was written by a version with other columns than today's.

    Raises:
        LakeError: when the file is damaged.
    """
    try:
        return bool(pq.read_schema(path).names != TABLES[table].schema.names)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from None


def write_table(rows: pa.Table, path: Path, mode: int = PUBLIC_FILE) -> None:
    """Put the rows in the place of `path`, whole or not at all."""
    with replacing(path, mode) as draft:
        pq.write_table(rows, draft, compression="zstd", row_group_size=ROWS_PER_GROUP)


def _unreadable(path: Path, error: Exception) -> LakeError:
    return LakeError(f"{path} cannot be read as Parquet ({type(error).__name__}): restore it.")
