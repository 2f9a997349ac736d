"""A filled Orthanc, a proxy in front of it that can be told to fail, and a peer with little patience."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.archive.dicomweb import DicomWebPeer, failures
from tasks.settings import Cluster, DicomWeb, Network, Settings
from tests.archive.faulty_proxy import FaultyProxy, faulty_proxy
from tests.archive.files import write_image
from tests.archive.orthanc import Orthanc, running_orthanc

# Studies 1.2.3 (series 1.2.3.1 of 3 images and 1.2.3.2 of 2), 1.2.4 and 1.2.5 (one image each).
IMAGES: tuple[dict[str, Any], ...] = (
    *({"number": number} for number in (1, 2, 3)),
    *({"series": "1.2.3.2", "number": number, "SeriesNumber": 7} for number in (1, 2)),
    {"study": "1.2.4", "series": "1.2.4.1", "StudyDate": "20230102"},
    {"study": "1.2.5", "series": "1.2.5.1", "StudyDate": "20220102"},
)

MakePeer = Callable[..., DicomWebPeer]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What the archive holds."""
    folder = tmp_path_factory.mktemp("files")
    return [write_image(folder / str(index), **values) for index, values in enumerate(IMAGES)]


@pytest.fixture(scope="package")
def filled(tmp_path_factory: pytest.TempPathFactory, files: list[Path]) -> Iterator[Orthanc]:
    """An Orthanc that holds them."""
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        server.store(files)
        yield server


@pytest.fixture
def proxy(filled: Orthanc) -> Iterator[FaultyProxy]:
    """In front of it."""
    with faulty_proxy(filled.url) as running:
        yield running


@pytest.fixture
def peer_at(monkeypatch: pytest.MonkeyPatch) -> MakePeer:
    """Makes peers that are soon tired: (address, settings of the network, settings of DICOMweb)."""
    monkeypatch.setattr(failures, "FIRST_PAUSE_S", 0.01)

    def make(address: str, network: dict[str, Any] | None = None, **dicomweb: Any) -> DicomWebPeer:  # noqa: ANN401
        impatient = {"connect_timeout_s": 2.0, "read_timeout_s": 0.4, "answer_timeout_s": 4.0, "retries": 2}
        return DicomWebPeer(
            address,
            Settings(
                cluster=Cluster(kind="inline"),
                network=Network.model_validate(impatient | (network or {})),
                dicomweb=DicomWeb.model_validate({"orthanc_updates": False} | dicomweb),
            ),
        )

    return make
