"""`Archive`: where studies come from, in two questions; `open_archive` makes one of an address.

`Archive.scan` says what is there, in the process of the flow. `Access` gets at one study, on a worker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from tasks.archive.folder import FolderArchive
from tasks.archive.memory import Memory
from tasks.archive.remote import RemoteArchive
from tasks.archive.scan import EVERYTHING, Outline, Progress, Scan, Window
from tasks.dicom.instance import Study
from tasks.dicom.source import InstanceSource
from tasks.outcomes import ConfigurationError
from tasks.settings import Settings

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
KINDS = "a folder, https://host/dicom-web, or dimse://AET@host:port"


class Access(Protocol):
    """How a worker gets at headers and bytes. Can be sent to another process; used by one thread there."""

    def headers(self, study: Study) -> Study:
        """The study in full: every header of the series that may be measured.

        Args:
            study: as `Scan.study` gave it.

        Raises:
            Failed: `archive_unavailable` when the archive does not answer, or no longer holds what it listed.
        """
        ...

    def instances(self) -> InstanceSource:
        """Where the bytes of a study's instances come from; one for each study, to be closed."""
        ...

    def confirm(self, study: Study) -> None:
        """Make sure that what was read is still all that the archive holds of the study.

        Raises:
            Failed: `archive_unavailable` when the study changed meanwhile.
        """
        ...


class Archive(Protocol):
    """Where studies come from."""

    @property
    def kind(self) -> str:
        """`folder`, `dicomweb` or `dimse`."""
        ...

    @property
    def key(self) -> str:
        """Names this archive among those that a lake remembers, without telling its address."""
        ...

    def scan(
        self,
        memory: Memory | None = None,
        window: Window = EVERYTHING,
        *,
        progress: Progress | None = None,
    ) -> Scan:
        """What the archive holds now, and of that what the window asks for.

        Args:
            memory: where the last scan is remembered and this one will be; None asks for everything.
            progress: told how far it has come with what is new.

        Raises:
            ArchiveError: when the archive does not answer.
        """
        ...

    def outline(self, memory: Memory | None = None, window: Window = EVERYTHING) -> Iterable[Outline]:
        """The studies of a window, and those without a date, as cheaply as the archive can tell them.

        Raises:
            ArchiveError: when the archive does not answer.
        """
        ...

    def access(self) -> Access:
        """How a worker gets at its studies."""
        ...

    def lost(self, study_uids: Iterable[str]) -> frozenset[str]:
        """Of studies that the last scan did not list, those that the archive holds no longer.

        Raises:
            ArchiveError: when the archive does not answer.
        """
        ...


def open_archive(address: str | Path, settings: Settings) -> Archive:
    """The archive at an address; nothing is asked of it yet.

    Args:
        address: a path, `https://host/dicom-web`, or `dimse://AET@host:port`.

    Raises:
        ConfigurationError: when the address is none of these, or names no folder.
    """
    text = str(address)
    scheme = _SCHEME.match(text)
    if isinstance(address, Path) or scheme is None:
        return FolderArchive(Path(address))
    if "@" in text.partition("://")[2].partition("/")[0] and scheme[1].lower() != "dimse":
        raise ConfigurationError(
            "The archive's address holds a user or a password: leave them out of it, and set them as "
            "docs/archives.md says."
        )
    match scheme[1].lower():
        case "http" | "https":
            from tasks.archive.dicomweb import DicomWebPeer

            return RemoteArchive(DicomWebPeer(text, settings))
        case "dimse":
            from tasks.archive.dimse import DimsePeer

            return RemoteArchive(DimsePeer(text, settings))
    raise ConfigurationError(f"An archive is {KINDS}; this address begins otherwise.")
