"""The server that other tests stand on: it starts, is filled over the network, and is gone afterwards."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.archive.files import write_image
from tests.archive.orthanc import running_orthanc

pytestmark = pytest.mark.orthanc


def test_it_takes_files_over_the_network_and_ends_with_its_block(tmp_path: Path) -> None:
    files = [write_image(tmp_path / "files" / str(number), number=number) for number in (1, 2, 3)]
    with running_orthanc(tmp_path / "orthanc", account=("night", "of-tests")) as orthanc:
        assert orthanc.store(files) == 3
        assert orthanc.rest("GET", "/statistics")["CountInstances"] == 3
        assert httpx.get(f"{orthanc.dicom_web}/studies").status_code == httpx.codes.UNAUTHORIZED
        orthanc.delete_study("1.2.3")
        assert orthanc.rest("GET", "/statistics")["CountInstances"] == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(orthanc.url)
