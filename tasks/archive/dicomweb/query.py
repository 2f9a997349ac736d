"""QIDO-RS: the studies of some days, and the series of a study, page by page."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date, datetime
from http import HTTPStatus

import httpx

from tasks.archive.dicomweb.client import Connection
from tasks.archive.dicomweb.dicom_json import data_sets, fields_of, tag_key
from tasks.archive.dicomweb.failures import BadRequestError
from tasks.archive.entries import SERIES_FIELDS, STUDY_FIELDS, day_range, series_of, study_of
from tasks.archive.peer import ListedSeries, ListedStudy
from tasks.dicom import fields as f
from tasks.dicom.fields import Fields
from tasks.outcomes import ArchiveError

log = logging.getLogger(__name__)

# PS3.6: when a study was last changed, and the offset from UTC that times without their own have.
STUDY_UPDATED = 0x0008041F
TIMEZONE = 0x00080201

JSON = {"Accept": "application/dicom+json", "Accept-Encoding": "gzip"}
# One page: 500 studies take about 0.6 MiB.
MAX_PAGE_BYTES = 64 * 1024 * 1024
# Pages in a row without anything new: one is what a study brings about that arrives while the list is read.
MAX_STALE_PAGES = 1
# More entries than any question of a night has: a list that goes on beyond that has no end.
MAX_LISTED = 2_000_000


def list_studies(
    connection: Connection, since: date | None, until: date | None, page_size: int
) -> Iterator[ListedStudy]:
    """The studies of these days, both included; without days, every study.

    Raises:
        ArchiveError: when there is no usable answer, or no end to the list.
    """
    days = day_range(since, until)
    asked = [(tag_key(f.STUDY_DATE), days)] if days else []
    wanted = (*STUDY_FIELDS, STUDY_UPDATED, TIMEZONE)
    for fields in _pages(connection, "", asked, wanted, f.STUDY_UID, page_size):
        yield study_of(fields, _moment_s(fields))


def list_series(connection: Connection, study_uid: str, page_size: int) -> Iterator[ListedSeries]:
    """The series of a study; none when there is no such study.

    Raises:
        ArchiveError: as `list_studies`.
    """
    for fields in _pages(connection, study_uid, [], SERIES_FIELDS, f.SERIES_UID, page_size):
        yield series_of(fields)


def _pages(
    connection: Connection,
    parent: str,
    asked: list[tuple[str, str]],
    wanted: tuple[int, ...],
    name: int,
    page_size: int,
) -> Iterator[Fields]:
    """Entries of a list, each once, until a page is empty.

    A server may give fewer than it is asked for without saying so, so that only an empty page is the end; the
    next page starts behind what came, not behind what was asked for. One that does not know a field that is
    asked for may refuse the question: it is asked again for the fields that it gives unasked.

    Args:
        parent: UID of the study whose series are asked for; empty for studies.
        name: tag of the UID that names an entry; those without one are left out, and counted in the log.
    """
    path = f"studies/{parent}/series" if parent else "studies"
    included = wanted
    seen: set[str] = set()
    offset = nameless = stale = 0
    while True:
        params = httpx.QueryParams(
            [
                *asked,
                *(("includefield", tag_key(tag)) for tag in included),
                ("limit", page_size),
                ("offset", offset),
            ]
        )
        try:
            answer = connection.get(path, JSON, params=params, limit_bytes=MAX_PAGE_BYTES)
        except BadRequestError:
            if not included:
                raise
            included = ()
            continue
        if answer.status == HTTPStatus.NOT_FOUND and not parent:
            raise ArchiveError("The archive knows no list of studies (HTTP 404): is its address right?")
        came = is_new = 0
        for content in data_sets(answer.body) if answer.body else ():
            came += 1
            fields = fields_of(content, wanted)
            uid = fields.uid(name)
            nameless += not uid
            if uid and uid not in seen:
                seen.add(uid)
                is_new += 1
                yield fields
        if not came:
            break
        offset += came
        stale = 0 if is_new else stale + 1
        if stale > MAX_STALE_PAGES:
            raise ArchiveError(
                "The archive's list begins again on each page, so that nobody knows whether it is whole: "
                "it does not honour offset; ask for fewer days at once."
            )
        if offset > MAX_LISTED:
            raise ArchiveError("The archive's list has no end.")
    if nameless:
        log.warning("%d entries of the archive's list have no UID and were left out", nameless)


def _moment_s(fields: Fields) -> float | None:
    """When the archive last changed a study; None unless it says so, and in which time zone."""
    text = fields.ascii(STUDY_UPDATED)
    if not text:
        return None
    if not any(sign in text for sign in "+-"):
        text += fields.ascii(TIMEZONE)
    for form in ("%Y%m%d%H%M%S.%f%z", "%Y%m%d%H%M%S%z"):
        try:
            return datetime.strptime(text, form).timestamp()
        except (ValueError, OverflowError):
            continue
    return None
