"""What an archive held at the last scan: one Parquet file for each archive, in the lake's `identities/`.

It holds paths and identities, and is for its owner only. A file that is damaged, or of another schema, is as
good as none: the archive is read again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.files import PRIVATE_FILE, make_private_folder, replacing
from tasks.outcomes import ConfigurationError

IDENTITIES = "identities"
FOLDER = "archive"
_KEY_DIGITS = 16


def archive_key(place: bytes) -> str:
    """Names the archive at a place among those that a lake remembers, without telling the place."""
    return hashlib.sha256(place).hexdigest()[:_KEY_DIGITS]


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
            make_private_folder(self.folder)
            with replacing(self._path(key), PRIVATE_FILE) as draft:
                pq.write_table(table, draft, compression="zstd")
        except OSError as error:
            raise ConfigurationError(
                f"The lake's identities/ cannot be written ({error.strerror}): make it writable, or give "
                "another lake."
            ) from None

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.parquet"
