"""Fixtures that several rooms share: where the real CT lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA_VARIABLE = "OSTEOSCREEN_TEST_DATA"
DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_ct() -> Path:
    """Folder of the real, de-identified CT that the tests read; the test skips where it is absent."""
    folder = Path(os.environ.get(DATA_VARIABLE, DEFAULT_DATA))
    if not (folder / "README.md").is_file():
        pytest.skip(f"real CT is absent: set {DATA_VARIABLE} to its folder")
    return folder
