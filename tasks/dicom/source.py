"""`InstanceSource`: where the bytes of instances come from; and the one for files on disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import Protocol

from tasks.dicom.instance import Instance
from tasks.dicom.pixel_data import Read
from tasks.outcomes import Failed, Reason

# The file is there and will not become readable by trying again; everything else may.
_PERMANENT = frozenset({errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EINVAL})


class Mislisted(Failed):
    """An image is not as the archive's list led to expect, though the right one.

    Asked for the headers of its series again, the archive's peer reads them from the images themselves.
    """

    def __init__(self) -> None:
        super().__init__(
            Reason.ARCHIVE_UNAVAILABLE, "an image is not as the archive's list of its series led to expect"
        )

    def __reduce__(self) -> tuple[type[Mislisted], tuple[()]]:
        return Mislisted, ()


class InstanceSource(Protocol):
    """The bytes of one study's instances, wherever they are kept. Used by one thread."""

    @property
    def is_local(self) -> bool:
        """Whether a range of any instance costs next to nothing; if not, an instance is moved whole."""
        ...

    @property
    def bytes_read(self) -> int:
        """Bytes that were read, or came over the network, so far."""
        ...

    def want(self, instances: Sequence[Instance]) -> None:
        """Say which instances will be opened next, so that a slow source may fetch them together."""
        ...

    def open(self, instance: Instance) -> tuple[Instance, Read]:
        """The instance as its own header describes it, and a reader of ranges of its bytes.

        A remote source may have listed the instance from an index that knows neither its size nor where its
        pixels lie; what is returned here comes from the bytes themselves.

        Raises:
            Failed: `archive_unavailable` when it cannot be had now, `unreadable_file` when never, or when
                what came is not what was asked for.
            Mislisted: it is another than listed, in a way that headers asked for again would not be.
        """
        ...

    def close(self) -> None:
        """Let go of everything that was fetched."""
        ...


class LocalFiles:
    """Files of a mounted archive; nothing stays open between two reads."""

    is_local = True

    def __init__(self) -> None:
        self.bytes_read = 0

    def want(self, instances: Sequence[Instance]) -> None:
        """Files are at hand: nothing to do."""

    def open(self, instance: Instance) -> tuple[Instance, Read]:
        """As `InstanceSource.open`; the reader raises in its place."""

        def read(offset: int, length: int) -> bytes:
            data = _pread(instance.source, offset, length)
            self.bytes_read += len(data)
            return data

        return instance, read

    def close(self) -> None:
        """Nothing is held."""


def _pread(path: str, offset: int, length: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)
    except OSError as error:
        permanent = error.errno in _PERMANENT
        reason = Reason.UNREADABLE_FILE if permanent else Reason.ARCHIVE_UNAVAILABLE
        name = errno.errorcode.get(error.errno or 0, "an I/O error")
        raise Failed(reason, f"reading an image gave {name}") from None
