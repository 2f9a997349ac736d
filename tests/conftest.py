"""What several rooms share: where the real CT lies, a server with the project's own model, no time limits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis

from tasks.infer.environment import find_environment
from tasks.infer.server import EmbeddedServer
from tasks.outcomes import ConfigurationError
from tasks.settings import Inference

DATA_VARIABLE = "OSTEOSCREEN_TEST_DATA"
DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

# How long an example takes says how loaded the machine is. CI tries the same examples each time; new ones are
# looked for where somebody can look at what they show.
hypothesis.register_profile("osteoscreen", deadline=None, derandomize="CI" in os.environ)
hypothesis.load_profile("osteoscreen")


@pytest.fixture(scope="session")
def real_ct() -> Path:
    """Folder of the real, de-identified CT that the tests read; the test skips where it is absent."""
    folder = Path(os.environ.get(DATA_VARIABLE, DEFAULT_DATA))
    if not (folder / "README.md").is_file():
        pytest.skip(f"real CT is absent: set {DATA_VARIABLE} to its folder")
    return folder


@pytest.fixture(scope="session")
def model_server() -> Iterator[str]:
    """Address of an embedded server with the project's own model; the test skips where none is installed."""
    settings = Inference(ready_timeout_s=120.0)
    try:
        find_environment(settings)
    except ConfigurationError as error:
        pytest.skip(str(error))
    with EmbeddedServer(settings) as server:
        yield server.url
