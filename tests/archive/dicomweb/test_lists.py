"""Lists of servers that cap, repeat, leave out, and answer something else."""

from __future__ import annotations

import itertools
import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.archive.dicomweb import orthanc, query
from tasks.archive.peer import ListedStudy
from tasks.outcomes import ArchiveError
from tests.archive.dicomweb.conftest import MakePeer
from tests.archive.faulty_proxy import (
    Exchange,
    Fault,
    FaultyProxy,
    half_a_body_undeclared,
    instead,
    passed_on,
    status,
    with_query,
)

pytestmark = pytest.mark.orthanc

ALL = ["1.2.3", "1.2.4", "1.2.5"]


def changed(change: dict[str, Any]) -> Fault:
    """The server's list with other elements in each entry; None takes one out."""

    def fault(exchange: Exchange) -> None:
        entries = exchange.answer().json()
        for entry in entries:
            entry.update(change)
        body = [{tag: element for tag, element in entry.items() if element} for entry in entries]
        exchange.send(200, {"Content-Type": "application/dicom+json"}, json.dumps(body).encode())

    return fault


def no_content(exchange: Exchange) -> None:
    """204 instead of an empty list, as the standard has it."""
    if exchange.answer().json():
        passed_on(exchange)
    else:
        exchange.send(204, {}, b"")


def uids(studies: Any) -> list[str]:  # noqa: ANN401 - an iterator of studies
    return sorted(study.study_uid for study in studies)


def only_study(proxy: FaultyProxy, peer_at: MakePeer, change: dict[str, Any]) -> ListedStudy:
    proxy.fail("/studies", changed(change))
    return next(study for study in peer_at(f"{proxy.url}/dicom-web").studies(None, None))


@pytest.mark.parametrize("fault", [with_query(limit="1"), with_query(limit="2"), no_content])
def test_a_list_is_whole_whatever_the_server_gives_at_once(
    proxy: FaultyProxy, peer_at: MakePeer, fault: Fault
) -> None:
    proxy.fail("/studies", fault)
    assert uids(peer_at(f"{proxy.url}/dicom-web").studies(None, None)) == ALL


@pytest.mark.parametrize(
    "fault", [with_query(offset="0"), with_query(offset=None, limit=None), with_query(limit="1", offset="0")]
)
def test_a_list_that_begins_again_is_not_believed(
    proxy: FaultyProxy, peer_at: MakePeer, fault: Fault
) -> None:
    proxy.fail("/studies", fault)
    with pytest.raises(ArchiveError, match="offset"):
        uids(peer_at(f"{proxy.url}/dicom-web").studies(None, None))
    assert proxy.count("/studies") == 3


def test_a_server_that_does_not_know_a_field_is_asked_for_what_it_has(
    proxy: FaultyProxy, peer_at: MakePeer
) -> None:
    proxy.fail("includefield=", status(400))
    peer = peer_at(f"{proxy.url}/dicom-web", page_size=2)
    studies = {study.study_uid: study for study in peer.studies(None, None)}
    assert sorted(studies) == ALL
    assert studies["1.2.3"].instances == 5
    assert sorted(series.modality for series in peer.series("1.2.3")) == ["CT", "CT"]


def test_a_page_that_says_that_it_is_a_part_is_read(proxy: FaultyProxy, peer_at: MakePeer) -> None:
    def in_part(exchange: Exchange) -> None:
        answer = exchange.answer()
        exchange.send(206, answer.headers, answer.body)

    proxy.fail("/studies", in_part)
    assert uids(peer_at(f"{proxy.url}/dicom-web").studies(None, None)) == ALL


def test_a_study_that_moves_to_another_page_is_listed_once(proxy: FaultyProxy, peer_at: MakePeer) -> None:
    def earlier(path: str) -> str:
        before, _, offset = path.rpartition("=")
        return f"{before}={int(offset) - 1}"

    proxy.fail("offset=[1-9]", instead(earlier))
    assert uids(peer_at(f"{proxy.url}/dicom-web", page_size=1).studies(None, None)) == ALL


def test_a_list_without_end_is_given_up(
    proxy: FaultyProxy, peer_at: MakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "MAX_LISTED", 20)
    numbers = itertools.count(1)

    def another(exchange: Exchange) -> None:
        entry = {"0020000D": {"vr": "UI", "Value": [f"9.{next(numbers)}"]}}
        exchange.send(200, {}, json.dumps([entry]).encode())

    proxy.fail("/studies", another)
    with pytest.raises(ArchiveError, match="no end"):
        uids(peer_at(f"{proxy.url}/dicom-web").studies(None, None))


def test_what_a_server_does_not_tell_is_unknown(proxy: FaultyProxy, peer_at: MakePeer) -> None:
    nothing = dict.fromkeys(["00080061", "00201206", "00201208", "00100020", "00080020"])
    study = only_study(proxy, peer_at, nothing)
    assert (study.series, study.instances) == (None, None)
    assert (study.study_date, study.identity.patient_id, study.changed_s) == ("", "", None)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("20240315120000.5+0200", None, datetime(2024, 3, 15, 10, 0, 0, 500_000, UTC)),
        ("20240315120000", "-0500", datetime(2024, 3, 15, 17, 0, 0, 0, UTC)),
        ("20240315120000", None, None),
        ("yesterday", "+0000", None),
    ],
)
def test_the_time_of_change_counts_where_its_zone_is_known(
    proxy: FaultyProxy, peer_at: MakePeer, text: str, zone: str | None, expected: datetime | None
) -> None:
    change = {
        "0008041F": {"vr": "DT", "Value": [text]},
        "00080201": {"vr": "SH", "Value": [zone]} if zone else None,
    }
    study = only_study(proxy, peer_at, change)
    assert study.changed_s == (expected.timestamp() if expected else None)


def test_an_entry_without_uid_is_left_out_and_said(
    proxy: FaultyProxy, peer_at: MakePeer, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.fail("offset=0$", changed({"0020000D": None}))
    assert uids(peer_at(f"{proxy.url}/dicom-web").studies(None, None)) == []
    assert "3 entries" in caplog.text


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (status(200, b"<html>Sign in</html>", Content_Type="text/html"), "not DICOM JSON"),
        (status(200, b"[1, 2]"), "not DICOM JSON"),
        (status(200, b"[" * 100_000), "not DICOM JSON"),
        (status(200, b'[{"a":' * 100_000), "not DICOM JSON"),
        (status(200, b"\xff\xfe"), "not DICOM JSON"),
        (half_a_body_undeclared, "not DICOM JSON"),
        (status(302, Location="https://elsewhere.example/"), "HTTP 302"),
        (status(413), "HTTP 413"),
        (status(401), "OSTEOSCREEN_DICOMWEB__TOKEN"),
        (status(403), "OSTEOSCREEN_DICOMWEB__USER"),
    ],
)
def test_an_answer_of_no_use_is_named(
    proxy: FaultyProxy, peer_at: MakePeer, fault: Fault, words: str
) -> None:
    proxy.fail("/studies", fault)
    with pytest.raises(ArchiveError, match=words):
        uids(peer_at(f"{proxy.url}/dicom-web").studies(None, None))
    assert proxy.count("/studies") == 1


def test_a_question_that_is_refused_with_and_without_fields_is_an_error(
    proxy: FaultyProxy, peer_at: MakePeer
) -> None:
    proxy.fail("/studies", status(400))
    with pytest.raises(ArchiveError, match="HTTP 400"):
        uids(peer_at(f"{proxy.url}/dicom-web").studies(None, None))
    assert proxy.count("/studies") == 2


def test_a_server_that_says_404_for_its_list_has_another_address(
    proxy: FaultyProxy, peer_at: MakePeer
) -> None:
    with pytest.raises(ArchiveError, match="address"):
        uids(peer_at(f"{proxy.url}/somewhere").studies(None, None))


def test_an_orthanc_says_when_its_studies_changed(proxy: FaultyProxy, peer_at: MakePeer) -> None:
    peer = peer_at(f"{proxy.url}/dicom-web", orthanc_updates=True)
    now_s = datetime.now(UTC).timestamp()
    for study in peer.studies(None, None):
        assert study.changed_s is not None
        assert now_s - 3600 < study.changed_s <= now_s + 1


@pytest.mark.parametrize("page", [1, 2, 3])
def test_an_orthanc_says_it_page_by_page(
    proxy: FaultyProxy, peer_at: MakePeer, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(orthanc, "PAGE", page)
    studies = list(peer_at(f"{proxy.url}/dicom-web", orthanc_updates=True).studies(None, None))
    assert uids(studies) == ALL
    assert all(study.changed_s is not None for study in studies)
    assert proxy.count("tools/find") == math.ceil(len(ALL) / page) + 1


@pytest.mark.parametrize("fault", [status(403), status(404), status(200, b"{}"), status(200, b"<html>")])
@pytest.mark.parametrize("where", ["/system", "/tools/find"])
def test_what_its_own_api_does_not_tell_is_not_missed(
    proxy: FaultyProxy, peer_at: MakePeer, fault: Fault, where: str
) -> None:
    proxy.fail(where, fault)
    peer = peer_at(f"{proxy.url}/dicom-web", orthanc_updates=True)
    assert [study.changed_s for study in peer.studies(None, None)] == [None] * 3
