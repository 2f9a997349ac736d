"""`RemoteArchive`: an archive over a network, and what is new in it, still arriving, or gone.

The studies are listed; of those that are new, or of which the list tells another thing than it did last time,
the series are asked for; of all others nothing.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from tasks.archive.access import RemoteAccess
from tasks.archive.ledger import (
    Ledger,
    Line,
    is_as_told,
    read_series,
    tells_time,
    told_of,
    write_series,
)
from tasks.archive.listing import (
    StudyAsListed,
    as_listed,
    content_key_of,
    may_be_measured,
    may_hold_images,
)
from tasks.archive.memory import Memory
from tasks.archive.peer import ListedSeries, ListedStudy, Peer
from tasks.archive.scan import (
    EVERYTHING,
    Counts,
    Outline,
    Progress,
    Scan,
    StudySummary,
    Window,
    study_day,
)
from tasks.outcomes import ArchiveError

# Connections over which series are asked for: enough to hide the way to the archive and back.
CONNECTIONS = 4
# Studies between two writings of what is remembered: a first scan of years that is killed goes on from there.
CHUNK_STUDIES = 2000
# So many studies in a row for which no answer comes is an archive that does not answer.
MAX_UNANSWERED = 5
# Where an archive tells no time of change, a study met for the first time counts as quiet when its date lies
# so far back: one day for a study made over midnight, one for time zones.
OLD = timedelta(days=2)

Answer = TypeVar("Answer")


class RemoteArchive:
    """An archive over a network.

    Args:
        peer: what is spoken to.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    @property
    def kind(self) -> str:
        """`dicomweb` or `dimse`."""
        return self._peer.kind

    @property
    def key(self) -> str:
        """Names this archive among those that a lake remembers, without telling its address."""
        return self._peer.key

    def scan(
        self,
        memory: Memory | None = None,
        window: Window = EVERYTHING,
        *,
        progress: Progress | None = None,
    ) -> Scan:
        """As `Archive.scan`; a study whose series cannot be had while others' can is found all the same."""
        listed = self._listed(window)
        ledger = Ledger(memory, self.key)
        asked = [study for study in listed.values() if _must_be_asked(study, ledger.lines)]
        lines = ledger.lines | self._ask(asked, ledger, progress)
        found = {uid: listed[uid] for uid in listed if _holds_images(lines[uid])}
        return Scan.of(
            [_summary(study, lines[uid]) for uid, study in found.items()],
            window,
            Counts(asked=len(asked)),
            partial(_study, found, lines),
        )

    def outline(self, memory: Memory | None = None, window: Window = EVERYTHING) -> tuple[Outline, ...]:
        """As `Archive.outline`: the list of studies, and no question about any of them."""
        listed = self._listed(window)
        lines = Ledger(memory, self.key).lines
        return tuple(_outline(study, lines) for study in listed.values())

    def _listed(self, window: Window) -> dict[str, ListedStudy]:
        with _connections(self._peer) as connect:
            return {study.study_uid: study for study in connect().studies(window.since, window.until)}

    def access(self) -> RemoteAccess:
        """How a worker gets at its studies."""
        return RemoteAccess(self._peer)

    def lost(self, study_uids: Iterable[str]) -> frozenset[str]:
        """As `Archive.lost`: each is asked for by name, for a list may miss what moves while it is read."""
        uids = tuple(study_uids)
        answers = self._answers(lambda peer, uid: peer.series(uid), uids)
        return frozenset(uid for uid, series in zip(uids, answers, strict=True) if not series)

    def _ask(
        self, studies: Sequence[ListedStudy], ledger: Ledger, progress: Progress | None
    ) -> dict[str, Line]:
        """Bring the series of studies into the ledger; returns lines for studies of which none could be had.

        Raises:
            ArchiveError: when several in a row got none.
        """
        unanswered: dict[str, Line] = {}
        in_a_row = 0
        answers = self._answers(_series_or_error, [study.study_uid for study in studies])
        try:
            for number, (study, series) in enumerate(zip(studies, answers, strict=True), start=1):
                if progress:
                    progress(number, len(studies))
                if isinstance(series, ArchiveError):
                    in_a_row += 1
                    if in_a_row >= MAX_UNANSWERED:
                        raise series
                    unanswered[study.study_uid] = _line(study, None, None)
                    continue
                in_a_row = 0
                if not series and (study.series or study.instances):
                    # the list says otherwise: believed for ever, the study would never have a row
                    unanswered[study.study_uid] = _line(study, None, None)
                    continue
                ledger.lines[study.study_uid] = _line(study, series, ledger.lines.get(study.study_uid))
                if number % CHUNK_STUDIES == 0:
                    ledger.keep()
        finally:
            if studies:
                ledger.keep()
        return unanswered

    def _answers(self, question: Callable[[Peer, str], Answer], uids: Sequence[str]) -> Iterator[Answer]:
        """Answers to one question about many studies, in their order, over several connections at once."""
        with _connections(self._peer) as connect:
            pool = ThreadPoolExecutor(CONNECTIONS)
            try:
                for start in range(0, len(uids), CHUNK_STUDIES):
                    chunk = uids[start : start + CHUNK_STUDIES]
                    yield from pool.map(lambda uid: question(connect(), uid), chunk)
            finally:
                pool.shutdown(cancel_futures=True)


@contextmanager
def _connections(peer: Peer) -> Iterator[Callable[[], Peer]]:
    """A function that gives each thread a peer of its own, for as long as the block."""
    pickled = pickle.dumps(peer)
    own = threading.local()
    made: list[Peer] = []

    def connect() -> Peer:
        if not hasattr(own, "peer"):
            own.peer = pickle.loads(pickled)  # noqa: S301 - written a few lines above
            made.append(own.peer)
        mine: Peer = own.peer
        return mine

    try:
        yield connect
    finally:
        for peer_of_thread in made:
            peer_of_thread.close()


def _series_or_error(peer: Peer, study_uid: str) -> tuple[ListedSeries, ...] | ArchiveError:
    try:
        return peer.series(study_uid)
    except ArchiveError as error:
        return error


def _must_be_asked(study: ListedStudy, lines: Mapping[str, Line]) -> bool:
    """Whether a study is new, or changed, or is of an archive whose list would not tell."""
    line = lines.get(study.study_uid)
    return line is None or not told_of(study) or not is_as_told(study, line.told)


def _line(study: ListedStudy, series: tuple[ListedSeries, ...] | None, before: Line | None) -> Line:
    """What is to be remembered of a study; `series` is None when they could not be had."""
    told, written = told_of(study), "" if series is None else write_series(series)
    key = content_key_of(series or ())
    if before is not None and key == content_key_of(read_series(before.series)):
        if _is_explained(study, written, before):
            return Line(told, before.content_key, before.since_s, written)
        key = content_key_of(series or (), told)
    return Line(told, key, _since_s(study, series or (), is_new=before is None), written)


def _is_explained(study: ListedStudy, written: str, before: Line) -> bool:
    """Whether what a study was listed with differs, if at all, by series that are never measured.

    If nothing else differs and yet the archive says that it changed, images were replaced under their names.
    Where no time was told before, or none is now, it says nothing of the kind.
    """
    if study.changed_s is None or not tells_time(before.told):
        return True
    return written != before.series or told_of(study) == before.told


def _since_s(study: ListedStudy, series: tuple[ListedSeries, ...], *, is_new: bool) -> float:
    """Since when a study has been as it was just found to be; never later than now, whatever is told."""
    now = datetime.now(UTC)
    told = [item.changed_s for item in series if may_be_measured(item) and item.changed_s is not None]
    changed_s = max(told, default=study.changed_s)
    if changed_s is not None:
        return min(changed_s, now.timestamp())
    day = study_day(study.study_date)
    if is_new and day is not None and day <= (now - OLD).date():
        return (now - OLD).timestamp()
    return now.timestamp()


def _holds_images(line: Line) -> bool:
    """Whether a study has a series of images, or may have: one without is none of a night's."""
    return not line.series or any(map(may_hold_images, read_series(line.series)))


def _summary(study: ListedStudy, line: Line) -> StudySummary:
    return StudySummary(
        study_uid=study.study_uid,
        content_key=line.content_key,
        study_date=study_day(study.study_date),
        series=study.series or 0,
        instances=study.instances or 0,
        unreadable=0,
        newest_s=line.since_s,
    )


def _outline(study: ListedStudy, lines: Mapping[str, Line]) -> Outline:
    known = not _must_be_asked(study, lines)
    key = lines[study.study_uid].content_key if known else None
    return Outline(study.study_uid, study_day(study.study_date), key)


def _study(found: Mapping[str, ListedStudy], lines: Mapping[str, Line], study_uid: str) -> StudyAsListed:
    line = lines[study_uid]
    return as_listed(found[study_uid], read_series(line.series), line.content_key)
