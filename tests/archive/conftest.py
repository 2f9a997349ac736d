"""Servers that several tests of archives share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.archive.orthanc import Orthanc, running_orthanc


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An Orthanc without studies, one for each module of tests."""
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server
