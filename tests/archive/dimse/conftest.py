"""A series on disk and the peers that hold it: Orthanc, and dcmqrscp with and without C-GET."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.archive.dimse import DimsePeer
from tasks.settings import Cluster, Dimse, Network, Settings
from tests.archive.dimse.dcmqrscp import Dcmqrscp, running_dcmqrscp
from tests.archive.files import write_image
from tests.archive.orthanc import LOOPBACK, Orthanc, free_port, running_orthanc

STUDY, SERIES = "1.2.3", "1.2.3.1"
SLICES = 24
# Fails fast, so that a test of silence takes a second.
NETWORK = Network(connect_timeout_s=2.0, read_timeout_s=1.0, answer_timeout_s=6.0, retries=1, max_requests=4)


@dataclass(frozen=True)
class Destination:
    """Where this host is reached by C-MOVE in these tests."""

    title: str
    port: int


def settings(
    destination: Destination | None = None,
    *,
    network: Network = NETWORK,
    **dimse: Any,  # noqa: ANN401 - any setting
) -> Settings:
    """Settings of one process that talks to a peer on this machine."""
    storage = (f"{destination.title}:{destination.port}",) if destination else ()
    told = {"storage": storage, "storage_bind": LOOPBACK, **dimse}
    return Settings(network=network, dimse=Dimse.model_validate(told), cluster=Cluster(kind="inline"))


@pytest.fixture(scope="session")
def destination() -> Destination:
    """Known to the peers of these tests."""
    return Destination("OSTEOSCREEN", free_port())


@pytest.fixture(scope="session")
def slices(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """An axial series of `SLICES` slices, 1 mm apart."""
    folder = tmp_path_factory.mktemp("slices")
    return [write_image(folder / f"{n:03}.dcm", number=n) for n in range(1, SLICES + 1)]


@pytest.fixture(scope="session")
def full_orthanc(
    tmp_path_factory: pytest.TempPathFactory, slices: list[Path], destination: Destination
) -> Iterator[Orthanc]:
    """An Orthanc that holds the series and knows the destination."""
    modalities = {"night": [destination.title, LOOPBACK, destination.port]}
    with running_orthanc(tmp_path_factory.mktemp("orthanc"), DicomModalities=modalities) as server:
        assert server.store(slices) == SLICES
        yield server


@pytest.fixture(scope="session")
def dcmqrscp(
    tmp_path_factory: pytest.TempPathFactory, slices: list[Path], destination: Destination
) -> Iterator[Dcmqrscp]:
    """A dcmqrscp that holds the series, knows the destination, and has no C-GET."""
    places = {destination.title: destination.port}
    with running_dcmqrscp(tmp_path_factory.mktemp("dcmqrscp"), places, "--disable-get") as server:
        server.store(slices)
        yield server


@pytest.fixture
def peer(full_orthanc: Orthanc) -> Iterator[DimsePeer]:
    """The Orthanc as a peer."""
    made = DimsePeer(full_orthanc.dimse, settings())
    yield made
    made.close()
