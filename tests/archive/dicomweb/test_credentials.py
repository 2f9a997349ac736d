"""Who we are to a server, whom we believe, and that no secret is ever shown."""

from __future__ import annotations

import logging
import pickle
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.archive.dicomweb import DicomWebPeer
from tasks.archive.peer import ListedStudy
from tasks.outcomes import ArchiveError, ConfigurationError
from tasks.settings import load_settings
from tests.archive.dicomweb.conftest import MakePeer
from tests.archive.faulty_proxy import Exchange, FaultyProxy, faulty_proxy, passed_on
from tests.archive.orthanc import Orthanc, running_orthanc
from tests.archive.papers import Papers, papers_in

pytestmark = pytest.mark.orthanc

USER, SECRET = "night", "9f2-of-no-one"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, files: list[Path]) -> Iterator[Orthanc]:
    """An Orthanc that asks who is there."""
    with running_orthanc(tmp_path_factory.mktemp("guarded"), account=(USER, SECRET)) as server:
        server.store(files)
        yield server


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return papers_in(tmp_path_factory.mktemp("papers"))


@pytest.fixture
def secure(filled: Orthanc, papers: Papers) -> Iterator[FaultyProxy]:
    """A server with a certificate of the authority's."""
    with faulty_proxy(filled.url, server_context(papers)) as proxy:
        yield proxy


def server_context(papers: Papers) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers.server, papers.server_key)
    return context


def secret_file(folder: Path, content: str = f"{SECRET}\n", mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_text(content)
    path.chmod(mode)
    return path


def count(peer: DicomWebPeer) -> int:
    return len(list(peer.studies(None, None)))


def test_an_account_opens_the_archive(guarded: Orthanc, peer_at: MakePeer) -> None:
    assert count(peer_at(guarded.dicom_web, user=USER, password=SECRET)) == 3


def test_the_secret_may_stand_in_a_file_that_changes(
    guarded: Orthanc, peer_at: MakePeer, tmp_path: Path
) -> None:
    path = secret_file(tmp_path, "of yesterday")
    peer = peer_at(guarded.dicom_web, user=USER, secret_file=path)
    with pytest.raises(ArchiveError, match="HTTP 401"):
        count(peer)
    secret_file(tmp_path)
    assert count(peer) == 3
    path.unlink()
    with pytest.raises(ArchiveError, match="secret_file"):
        count(peer)


@pytest.mark.parametrize("account", [{}, {"user": USER, "password": "wrong"}, {"token": SECRET}])
def test_whoever_is_not_known_is_told_what_to_set(
    guarded: Orthanc, peer_at: MakePeer, account: dict[str, str]
) -> None:
    with pytest.raises(ArchiveError, match="OSTEOSCREEN_DICOMWEB__PASSWORD"):
        count(peer_at(guarded.dicom_web, **account))


def test_a_token_is_sent_with_every_request(proxy: FaultyProxy, peer_at: MakePeer, tmp_path: Path) -> None:
    seen: list[str] = []

    def look(exchange: Exchange) -> None:
        seen.append({name.lower(): value for name, value in exchange.headers.items()}["authorization"])
        passed_on(exchange)

    proxy.fail("", look)
    assert count(peer_at(f"{proxy.url}/dicom-web", token=SECRET)) == 3
    assert count(peer_at(f"{proxy.url}/dicom-web", secret_file=secret_file(tmp_path))) == 3
    assert set(seen) == {f"Bearer {SECRET}"}
    assert len(seen) == 4


def test_secrets_come_from_the_environment(guarded: Orthanc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEOSCREEN_DICOMWEB__USER", USER)
    monkeypatch.setenv("OSTEOSCREEN_DICOMWEB__PASSWORD", SECRET)
    assert count(DicomWebPeer(guarded.dicom_web, load_settings())) == 3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"password": SECRET}, "no user"),
        ({"user": USER, "password": SECRET, "token": SECRET}, "More than one secret"),
        ({"user": USER, "token": SECRET}, "an account and a token"),
        ({"token": f"{SECRET} and more"}, "no token has"),
        ({"token": f"{SECRET}\r\nHost: elsewhere"}, "no token has"),
    ],
)
def test_secrets_that_contradict_each_other_are_refused(
    peer_at: MakePeer, settings: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as refused:
        peer_at("https://archive.example/dicom-web", **settings)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_secret_that_others_may_read_is_refused(peer_at: MakePeer, tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigurationError, match="chmod 600"):
        peer_at("https://archive.example", user=USER, secret_file=secret_file(tmp_path, mode=mode))


@pytest.mark.parametrize("content", ["", " \n", None])
def test_a_secret_file_without_a_secret_is_refused(
    peer_at: MakePeer, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "none" if content is None else secret_file(tmp_path, content)
    with pytest.raises(ConfigurationError, match="secret_file"):
        peer_at("https://archive.example", user=USER, secret_file=path)


@pytest.mark.parametrize(
    "address",
    [
        f"https://{USER}:{SECRET}@archive.example/dicom-web",
        f"https://{SECRET}@archive.example/dicom-web",
        f"https://archive.example/dicom-web?token={SECRET}",
        f"https://archive.example/dicom-web#{SECRET}",
        f"ftp://archive.example/{SECRET}",
        f"https:///{SECRET}",
        f"https://archive.example:{SECRET}/",
        "",
    ],
)
def test_an_address_holds_nothing_but_a_place(peer_at: MakePeer, address: str) -> None:
    with pytest.raises(ConfigurationError, match="address") as refused:
        peer_at(address)
    assert SECRET not in str(refused.value)


def test_one_archive_has_one_key_however_its_address_ends(peer_at: MakePeer) -> None:
    keys = {peer_at(f"https://archive.example/dicom-web{end}").key for end in ("", "/", "//")}
    assert len(keys) == 1
    assert peer_at("https://archive.example/other").key not in keys


def test_no_secret_is_shown(
    guarded: Orthanc, peer_at: MakePeer, caplog: pytest.LogCaptureFixture, proxy: FaultyProxy
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    accounts: list[dict[str, Any]] = [{"user": USER, "password": SECRET}, {"token": SECRET}]
    for account in accounts:
        for address in (guarded.dicom_web, f"{proxy.url}/nowhere", "http://127.0.0.1:1"):
            peer = peer_at(address, **account)
            shown += [repr(peer), repr(vars(peer)), peer.key]
            try:
                count(peer)
                peer.source().open(peer.headers(ListedStudy("1.2.3"), peer.series("1.2.3"))[0])
            except ArchiveError as error:
                shown += [repr(error), str(error), repr(error.__cause__)]
    assert len(shown) > 20
    assert SECRET not in "".join(shown) + caplog.text
    basic = "bmlnaHQ6"  # "night:" as basic authentication writes it
    assert basic not in "".join(shown) + caplog.text


def test_the_sites_own_authority_is_believed(secure: FaultyProxy, papers: Papers, peer_at: MakePeer) -> None:
    assert count(peer_at(f"{secure.url}/dicom-web", ca_bundle=papers.authority)) == 3


def test_a_server_that_nobody_vouches_for_is_not_asked(secure: FaultyProxy, peer_at: MakePeer) -> None:
    with pytest.raises(ArchiveError, match="OSTEOSCREEN_DICOMWEB__CA_BUNDLE"):
        count(peer_at(f"{secure.url}/dicom-web", token=SECRET))
    assert secure.requests == []


def test_a_certificate_says_who_we_are(filled: Orthanc, papers: Papers, peer_at: MakePeer) -> None:
    context = server_context(papers)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(papers.authority)
    ours = {"client_certificate": papers.client, "client_key": papers.client_key}
    with faulty_proxy(filled.url, context) as strict:
        address = f"{strict.url}/dicom-web"
        peer = peer_at(address, ca_bundle=papers.authority, **ours)
        assert count(pickle.loads(pickle.dumps(peer))) == 3  # noqa: S301 - our own
        with pytest.raises(ArchiveError, match="OSTEOSCREEN_DICOMWEB__CLIENT_CERTIFICATE"):
            count(peer_at(address, ca_bundle=papers.authority))


def test_plain_http_behind_an_https_address_is_named(
    proxy: FaultyProxy, papers: Papers, peer_at: MakePeer
) -> None:
    with pytest.raises(ArchiveError, match="speaks https"):
        count(peer_at(proxy.url.replace("http", "https"), ca_bundle=papers.authority))


def test_files_that_are_no_certificates_are_refused(
    papers: Papers, peer_at: MakePeer, tmp_path: Path
) -> None:
    words = secret_file(tmp_path, "no certificate")
    open_key = tmp_path / "open.key"
    open_key.write_bytes(papers.client_key.read_bytes())
    open_key.chmod(0o640)
    refusals: list[tuple[dict[str, Path], str]] = [
        ({"ca_bundle": words}, "ca_bundle"),
        ({"ca_bundle": tmp_path / "none"}, "ca_bundle"),
        ({"client_certificate": papers.client, "client_key": words}, "client_key"),
        ({"client_certificate": papers.client, "client_key": tmp_path / "none"}, "client_key"),
        ({"client_certificate": papers.client, "client_key": papers.server_key}, "client_key"),
        ({"client_certificate": papers.client, "client_key": open_key}, "chmod 600"),
    ]
    for files, words_of_refusal in refusals:
        with pytest.raises(ConfigurationError, match=words_of_refusal):
            peer_at("https://archive.example", **files)
