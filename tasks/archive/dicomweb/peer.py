"""`DicomWebPeer`: an archive that speaks DICOMweb, as a night asks it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from tasks.archive.dicomweb.client import Connection, connection_to
from tasks.archive.dicomweb.credentials import base_address, check
from tasks.archive.dicomweb.metadata import fetch_headers
from tasks.archive.dicomweb.orthanc import last_updates
from tasks.archive.dicomweb.query import list_series, list_studies
from tasks.archive.dicomweb.retrieve import AHEAD_PER_REQUEST, WadoInstances
from tasks.archive.load import Load, shared_load
from tasks.archive.memory import archive_key
from tasks.archive.peer import ListedSeries, ListedStudy
from tasks.dicom.instance import Instance
from tasks.dicom.source import InstanceSource
from tasks.settings import Settings


class DicomWebPeer:
    """A `Peer` that speaks DICOMweb. In another process it uses that process's connection.

    Args:
        url: of the service, `https://host/dicom-web`, without an account in it.
        settings: of the night.

    Raises:
        ConfigurationError: when the address, an account or a certificate cannot be used.
    """

    kind = "dicomweb"

    def __init__(self, url: str, settings: Settings) -> None:
        base = base_address(url)
        check(base, settings.dicomweb)
        self._url = str(base)
        self._dicomweb = settings.dicomweb
        self._network = settings.network
        self._cluster = settings.cluster

    def __repr__(self) -> str:
        return f"DicomWebPeer({self.key})"

    @property
    def key(self) -> str:
        """As `Peer.key`."""
        return archive_key(self._url.encode())

    def studies(self, since: date | None, until: date | None) -> Iterator[ListedStudy]:
        """As `Peer.studies`."""
        connection = self._connection()
        updates = last_updates(connection, since, until) if self._dicomweb.orthanc_updates else {}
        for study in list_studies(connection, since, until, self._dicomweb.page_size):
            known_s = study.changed_s
            yield study if known_s else replace(study, changed_s=updates.get(study.study_uid))

    def series(self, study_uid: str) -> tuple[ListedSeries, ...]:
        """As `Peer.series`."""
        return tuple(list_series(self._connection(), study_uid, self._dicomweb.page_size))

    def headers(self, study: ListedStudy, series: Sequence[ListedSeries]) -> tuple[Instance, ...]:
        """As `Peer.headers`; all series are asked for at once."""
        connection = self._connection()
        answers = connection.threads.map(
            lambda one: fetch_headers(connection, study.study_uid, one.series_uid), series
        )
        return tuple(instance for instances, _ in answers for instance in instances)

    def source(self) -> InstanceSource:
        """As `Peer.source`."""
        ahead = AHEAD_PER_REQUEST * self._load().max_requests
        return WadoInstances(self._connection(), self._network, ahead)

    def close(self) -> None:
        """As `Peer.close`."""
        self._connection().close()

    def _load(self) -> Load:
        return shared_load(self.key, self._network, self._cluster)

    def _connection(self) -> Connection:
        return connection_to(self._url, self._dicomweb, self._network, self._load())
