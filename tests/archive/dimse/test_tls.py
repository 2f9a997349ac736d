"""DIMSE over TLS with an authority and certificates made here, against Orthanc; and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.archive.dimse import DimsePeer
from tasks.archive.peer import ListedSeries, ListedStudy
from tasks.outcomes import ArchiveError, ConfigurationError
from tests.archive.dimse.conftest import SERIES, SLICES, STUDY, Destination, settings
from tests.archive.orthanc import LOOPBACK, Orthanc, free_port, running_orthanc
from tests.archive.papers import Papers, papers_in

pytestmark = pytest.mark.orthanc

NIGHT = Destination("NIGHT", free_port())


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Of everybody here."""
    return papers_in(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, papers: Papers, slices: list[Path]) -> Iterator[Orthanc]:
    """An Orthanc that takes only TLS, and only from those whom the authority knows."""
    with running_orthanc(
        tmp_path_factory.mktemp("secure"),
        DicomTlsEnabled=True,
        DicomTlsCertificate=str(papers.server),
        DicomTlsPrivateKey=str(papers.server_key),
        DicomTlsTrustedCertificates=str(papers.authority),
        DicomTlsRemoteCertificateRequired=True,
        DicomModalities={
            "night": {"AET": NIGHT.title, "Host": LOOPBACK, "Port": NIGHT.port, "UseDicomTls": True}
        },
    ) as server:
        assert server.store(slices) == SLICES
        yield server


def secure_peer(server: Orthanc, papers: Papers, **options: Any) -> DimsePeer:  # noqa: ANN401 - any setting
    told: dict[str, Any] = {
        "ca_bundle": papers.authority,
        "client_certificate": papers.client,
        "client_key": papers.client_key,
        **options,
    }
    return DimsePeer(f"{server.dimse}?tls=yes", settings(NIGHT, **told))


@pytest.mark.parametrize("way", ["get", "move"])
def test_images_come_over_tls(secure: Orthanc, papers: Papers, way: str) -> None:
    peer = secure_peer(secure, papers, retrieve=way)
    headers = peer.headers(ListedStudy(STUDY), [ListedSeries(SERIES)])
    source = peer.source()
    source.want(headers)
    assert all(source.open(header)[0].frames == header.frames for header in headers)
    source.close()
    peer.close()


def test_a_peer_without_a_certificate_of_the_authority_is_refused(
    secure: Orthanc, papers: Papers, tmp_path: Path
) -> None:
    others = papers_in(tmp_path)
    with pytest.raises(ArchiveError):
        secure_peer(secure, papers, ca_bundle=others.authority).series(STUDY)


def test_without_a_certificate_of_ours_the_peer_refuses(secure: Orthanc, papers: Papers) -> None:
    with pytest.raises(ArchiveError):
        secure_peer(secure, papers, client_certificate=None, client_key=None).series(STUDY)


def test_a_plain_peer_of_a_secure_one_is_refused(secure: Orthanc) -> None:
    with pytest.raises(ArchiveError):
        DimsePeer(secure.dimse, settings()).series(STUDY)


def test_a_key_that_others_can_read_is_refused(secure: Orthanc, papers: Papers, tmp_path: Path) -> None:
    key = tmp_path / "open.key"
    key.write_bytes(papers.client_key.read_bytes())
    key.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        secure_peer(secure, papers, client_key=key)


@pytest.mark.parametrize("setting", ["ca_bundle", "client_certificate", "client_key"])
def test_a_file_that_is_not_there_is_named(
    secure: Orthanc, papers: Papers, tmp_path: Path, setting: str
) -> None:
    with pytest.raises(ConfigurationError, match=setting):
        secure_peer(secure, papers, **{setting: tmp_path / "absent.pem"})


@pytest.mark.parametrize("setting", ["ca_bundle", "client_certificate"])
def test_a_file_that_is_no_certificate_is_named(
    secure: Orthanc, papers: Papers, tmp_path: Path, setting: str
) -> None:
    file = tmp_path / "letter.pem"
    file.write_text("Dear sir or madam")
    with pytest.raises(ConfigurationError, match=setting):
        secure_peer(secure, papers, **{setting: file})
