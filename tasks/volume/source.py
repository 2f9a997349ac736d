"""`ByteSource`: where a volume gets its bytes from, by range; and the one for files on disk."""

from __future__ import annotations

import errno
import os
from typing import Protocol

from tasks.outcomes import Failed, Reason

# The file is there and will not become readable by trying again; everything else may.
_PERMANENT = frozenset({errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EINVAL})


class ByteSource(Protocol):
    """Ranges of bytes of an instance, wherever it is kept."""

    def read(self, source: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end.

        Args:
            source: an instance's `source`; it may carry patient data and is never part of an error.
            offset, length: the range.

        Raises:
            Failed: `archive_unavailable` when it cannot be had now, `unreadable_file` when never.
        """
        ...


class LocalFiles:
    """Files of a mounted archive; nothing stays open between two reads."""

    def read(self, source: str, offset: int, length: int) -> bytes:
        """As `ByteSource.read`."""
        try:
            descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return os.pread(descriptor, length, offset)
            finally:
                os.close(descriptor)
        except OSError as error:
            permanent = error.errno in _PERMANENT
            reason = Reason.UNREADABLE_FILE if permanent else Reason.ARCHIVE_UNAVAILABLE
            name = errno.errorcode.get(error.errno or 0, "an I/O error")
            raise Failed(reason, f"reading an image gave {name}") from None
