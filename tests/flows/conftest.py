"""A whole night, once, for all tests that look at what it left."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks.infer.environment import find_environment
from tasks.outcomes import ConfigurationError
from tasks.phantom.archive import write_archive
from tasks.settings import Inference
from tests.flows.command import Answer, osteoscreen

PATIENTS = 6


@dataclass(frozen=True)
class FinishedNight:
    """A night that nobody interrupted.

    Attributes:
        answer: what the command said.
        seconds: how long it took.
        truth: how each study is to end: (outcome, reason or None), by its UID.
    """

    archive: Path
    lake: Path
    answer: Answer
    seconds: float
    truth: dict[str, tuple[str, str | None]]


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> FinishedNight:
    """The command over a generated archive, with the real server and worker processes."""
    try:
        find_environment(Inference())
    except ConfigurationError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("night")
    archive, lake = folder / "archive", folder / "lake"
    truth = pq.read_table(write_archive(archive, patients=PATIENTS, seed=3)).to_pylist()
    began_s = time.monotonic()
    answer = osteoscreen("screen", archive, "--lake", lake, "--json", cwd=folder)
    return FinishedNight(
        archive=archive,
        lake=lake,
        answer=answer,
        seconds=time.monotonic() - began_s,
        truth={row["study_uid"]: (row["outcome"], row["reason"] or None) for row in truth},
    )
