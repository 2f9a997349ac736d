"""When an Orthanc last changed its studies: told by its own REST API, not by QIDO-RS.

Only asked where the server is an Orthanc that lets us; what it does not tell is not missed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime

import httpx

from tasks.archive.dicomweb.client import Connection
from tasks.archive.dicomweb.query import MAX_LISTED, MAX_PAGE_BYTES
from tasks.archive.entries import day_range
from tasks.dicom.uids import plain_uid
from tasks.outcomes import ArchiveError

# Studies of one request; each takes about 1 KiB.
PAGE = 1000
MAX_SYSTEM_BYTES = 64 * 1024


def last_updates(connection: Connection, since: date | None, until: date | None) -> dict[str, float]:
    """When each study of these days was last changed, seconds since the epoch, by its UID.

    Empty where the server is no Orthanc, or does not let us ask.
    """
    root = connection.base.copy_with(path=connection.base.path.rpartition("/")[0])
    try:
        if not _is_orthanc(connection, root):
            return {}
        return _updates(connection, root, day_range(since, until))
    except ArchiveError:
        return {}


def _is_orthanc(connection: Connection, root: httpx.URL) -> bool:
    answer = connection.get_json(_below(root, "system"), MAX_SYSTEM_BYTES)
    content = _parsed(answer.body)
    return isinstance(content, dict) and {"ApiVersion", "DicomAet", "DatabaseVersion"} <= content.keys()


def _updates(connection: Connection, root: httpx.URL, days: str) -> dict[str, float]:
    """Page by page, the next behind what came; a page without anything new ends them."""
    found: dict[str, float] = {}
    start = 0
    while start < MAX_LISTED:
        question = {
            "Level": "Study",
            "Query": {"StudyDate": days} if days else {},
            "Expand": True,
            "Since": start,
            "Limit": PAGE,
        }
        answer = connection.post_json(_below(root, "tools/find"), question, MAX_PAGE_BYTES)
        studies = _parsed(answer.body)
        if not isinstance(studies, list):
            break
        known = len(found)
        found.update(update for study in studies for update in _update(study))
        if len(found) == known:
            break
        start += len(studies)
    return found


def _update(study: object) -> Iterator[tuple[str, float]]:
    """(UID, moment) of one study; nothing of what is none."""
    if not isinstance(study, dict):
        return
    tags, text = study.get("MainDicomTags"), study.get("LastUpdate")
    uid = tags.get("StudyInstanceUID") if isinstance(tags, dict) else None
    if not isinstance(uid, str) or not isinstance(text, str):
        return
    try:
        moment = datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return
    yield plain_uid(uid.encode()), moment.timestamp()


def _below(root: httpx.URL, path: str) -> httpx.URL:
    return root.copy_with(path=f"{root.path.rstrip('/')}/{path}")


def _parsed(body: bytes) -> object:
    try:
        content: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content
