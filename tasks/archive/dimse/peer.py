"""`DimsePeer`: an archive that is spoken to by DIMSE."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial

from pydicom.dataset import Dataset

from tasks.archive.dimse.address import SCHEME, Address
from tasks.archive.dimse.arrivals import Arrived
from tasks.archive.dimse.association import Line, NotNow
from tasks.archive.dimse.find import (
    images_query,
    listed_instance,
    listed_series,
    listed_study,
    series_query,
    studies_query,
)
from tasks.archive.dimse.headers import headers_of
from tasks.archive.dimse.lines import FIRST_PAUSE_S, LONGEST_PAUSE_S, Limits
from tasks.archive.dimse.retrieve import TOGETHER, Retrieval
from tasks.archive.dimse.source import DimseSource, Store
from tasks.archive.dimse.storage import check
from tasks.archive.load import shared_load
from tasks.archive.memory import archive_key
from tasks.archive.peer import ListedSeries, ListedStudy
from tasks.dicom.instance import Instance
from tasks.outcomes import ArchiveError
from tasks.settings import Settings

# Answers to one query beyond this are no list of a night's studies, or of a series' images.
MAX_ANSWERS = 5_000_000
MAX_IMAGES = 20_000


class DimsePeer:
    """As `Peer`. Sent to another process it goes on with the associations that stand there.

    Args:
        address: `dimse://CALLED@host:port?calling=…&tls=…`.
        settings: the sections `dimse` and `network`.

    Raises:
        ConfigurationError: the address is none, or a setting that it needs cannot be used.
    """

    kind = SCHEME

    def __init__(self, address: str, settings: Settings) -> None:
        self._text = address
        self._address = Address.parse(address)
        self._settings = settings
        self._store = Store()
        check(settings.dimse, tls=self._address.tls)

    def __reduce__(self) -> tuple[type[DimsePeer], tuple[str, Settings]]:
        return DimsePeer, (self._text, self._settings)

    @property
    def key(self) -> str:
        """As `Peer.key`."""
        told = f"{SCHEME} {self._address.called} {self._address.host.lower()} {self._address.port}"
        return archive_key(told.encode())

    def studies(self, since: date | None, until: date | None) -> Iterator[ListedStudy]:
        """As `Peer.studies`; a query that broke off is asked again, and what it told already passed over."""
        seen: set[str] = set()
        answers = 0
        tries = self._settings.network.retries + 1
        pause_s = FIRST_PAUSE_S
        while tries:
            try:
                with self._retrieval.lines.line(math.inf) as line:
                    for answer in line.find(studies_query(since, until)):
                        answers += 1
                        _check(answers <= MAX_ANSWERS, "studies")
                        study = listed_study(answer)
                        if study.study_uid and study.study_uid not in seen:
                            seen.add(study.study_uid)
                            yield study
                    return
            except NotNow as not_now:
                tries -= 1
                if not tries:
                    raise self._retrieval.lines.unavailable(str(not_now)) from None
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def series(self, study_uid: str) -> tuple[ListedSeries, ...]:
        """As `Peer.series`."""
        found = {item.series_uid: item for item in map(listed_series, self._answers(series_query(study_uid)))}
        found.pop("", None)
        return tuple(found.values())

    def headers(self, study: ListedStudy, series: Sequence[ListedSeries]) -> tuple[Instance, ...]:
        """As `Peer.headers`."""
        self._store.clear()
        headers: list[Instance] = []
        for item in series:
            answers = self._answers(images_query(study.study_uid, item.series_uid))
            listed = {
                instance.sop_instance_uid: instance
                for instance in (
                    listed_instance(answer, study.study_uid, item.series_uid) for answer in answers
                )
            }
            listed.pop("", None)
            fetch = partial(self._fetch, study.study_uid, item.series_uid)
            is_trusted = item.series_uid not in self._retrieval.mislisted
            headers += headers_of(tuple(listed.values()), fetch, is_trusted=is_trusted)
        return tuple(headers)

    def source(self) -> DimseSource:
        """As `Peer.source`."""
        return DimseSource(self._retrieval, self._store)

    def close(self) -> None:
        """As `Peer.close`."""
        self._store.clear()
        self._retrieval.lines.close()

    def _answers(self, query: Dataset) -> list[Dataset]:
        def question(line: Line) -> list[Dataset]:
            answers: list[Dataset] = []
            for answer in line.find(query):
                _check(len(answers) < MAX_IMAGES, "images of one series")
                answers.append(answer)
            return answers

        return self._retrieval.lines.ask(question)

    def _fetch(self, study_uid: str, series_uid: str, uids: Sequence[str]) -> Mapping[str, Instance]:
        """Real headers by UID."""
        headers: dict[str, Instance] = {}

        def take(arrived: Arrived) -> None:
            self._store.put(arrived)
            self._store.owe(len(arrived.data))
            if arrived.instance is not None:
                headers[arrived.sop_instance_uid] = arrived.instance

        kept = (self._store.get(uid) for uid in uids)
        headers |= {item.sop_instance_uid: item.instance for item in kept if item and item.instance}
        missing = [uid for uid in uids if uid not in headers]
        for start in range(0, len(missing), TOGETHER):
            self._retrieval.fetch(study_uid, series_uid, missing[start : start + TOGETHER], take)
        return headers

    @property
    def _retrieval(self) -> Retrieval:
        return _retrieval_of(self._address, self.key, self._settings)


_retrievals: dict[tuple[Address, str], Retrieval] = {}
_lock = threading.Lock()


def _retrieval_of(address: Address, key: str, settings: Settings) -> Retrieval:
    """What this process has of a peer; made when it is first asked for."""
    name = (address, settings.model_dump_json(include={"dimse", "network", "cluster"}))
    with _lock:
        if name not in _retrievals:
            load = shared_load(key, settings.network, settings.cluster)
            _retrievals[name] = Retrieval(address, settings.dimse, Limits(settings.network, load))
        return _retrievals[name]


def _check(is_within: bool, what: str) -> None:
    if not is_within:
        raise ArchiveError(
            f"The DIMSE peer listed more {what} than there can be: see what it answers to C-FIND."
        )
