"""The embedded server for the tests of this room; they skip, saying so, where it is not installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tasks.infer import shared
from tasks.infer.environment import find_environment
from tasks.infer.server import EmbeddedServer
from tasks.outcomes import ConfigurationError
from tasks.settings import Inference
from tests.infer.models import fast_repository


@pytest.fixture(scope="session", autouse=True)
def names_of_our_own() -> Iterator[str]:
    """A prefix of this test process in /dev/shm: nights on the same machine do not meet the tests."""
    with pytest.MonkeyPatch.context() as patch:
        prefix = f"osteoscreen-test{os.getpid()}-"
        patch.setattr(shared, "PREFIX", prefix)
        yield prefix


@pytest.fixture(scope="session")
def installed() -> Inference:
    """Settings under which an embedded server can be started here."""
    settings = Inference(threads=1, ready_timeout_s=60.0)
    try:
        find_environment(settings)
    except ConfigurationError as error:
        pytest.skip(str(error))
    return settings


@pytest.fixture(scope="session")
def fast(installed: Inference, tmp_path_factory: pytest.TempPathFactory) -> Inference:
    """Settings with a model that costs nothing."""
    return installed.model_copy(update={"model_repository": fast_repository(tmp_path_factory.mktemp("fast"))})


@pytest.fixture(scope="session")
def server(fast: Inference, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One server with the fast model, for all tests that do no harm to it."""
    log: Path = tmp_path_factory.mktemp("log") / "triton.log"
    with EmbeddedServer(fast, log=log) as running:
        yield running


def process_of(server: EmbeddedServer) -> psutil.Process:
    """The tritonserver process itself, below its watchdog."""
    option = f"--grpc-port={server.ports.grpc}"
    for process in psutil.Process().children(recursive=True):
        if process.name() == "tritonserver" and option in process.cmdline():
            return process
    raise AssertionError("the server has no process")
