"""What an archive held at the last scan: one Parquet file for each archive, in the lake's `identities/`.

It holds paths and identities. It is written beside its place and moved in whole; a file that is damaged, or
of another schema, is as good as none: the archive is read again.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.outcomes import ConfigurationError

IDENTITIES = "identities"
FOLDER = "archive"
# Who may read it: it tells patients and paths.
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


@dataclass(frozen=True, slots=True)
class Memory:
    """The remembered tables of a lake.

    Attributes:
        folder: `<lake>/identities/archive`.
    """

    folder: Path

    @classmethod
    def of_lake(cls, lake: Path) -> Memory:
        """The memory of a lake."""
        return cls(lake / IDENTITIES / FOLDER)

    def recall(self, key: str, schema: pa.Schema) -> pa.Table | None:
        """The table remembered under a key; None when there is none of this schema."""
        try:
            with pq.ParquetFile(self._path(key)) as file:
                stored = file.schema_arrow
                if not stored.equals(schema) or stored.metadata != schema.metadata:
                    return None
                return file.read().cast(schema)
        except (OSError, pa.ArrowException):
            return None

    def keep(self, key: str, table: pa.Table) -> None:
        """Replace what is remembered under a key.

        Raises:
            ConfigurationError: when the lake cannot be written.
        """
        try:
            self._write(key, table)
        except OSError as error:
            raise ConfigurationError(
                f"The lake's identities/ cannot be written ({error.strerror}): make it writable, or give "
                "another lake."
            ) from None

    def _write(self, key: str, table: pa.Table) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        beside = self.folder / f".{key}.{uuid.uuid4().hex}"
        try:
            with open(beside, "wb", opener=_private) as file:
                pq.write_table(table, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path(key))
        finally:
            beside.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.parquet"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE_FILE)
