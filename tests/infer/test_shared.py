"""Shared memory is swept up after its owner, and never before."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tasks.infer import shared
from tasks.infer.shared import FOLDER, Owner, Region, sweep

CHILD = """
import os, signal, sys
from tasks.infer import shared
from tasks.infer.shared import Owner, Region
shared.PREFIX = sys.argv[1]
owner = Owner()
region = Region(owner, "crops", 4096)
print(owner.name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def left_by(name: str) -> list[Path]:
    return sorted(FOLDER.glob(f"{name}*"))


def test_a_region_is_what_another_process_sees_under_its_name() -> None:
    owner = Owner()
    try:
        region = Region(owner, "crops", 800)
        region.as_int16((2, 4, 50))[1, 3, 49] = -1024
        seen = np.fromfile(FOLDER / region.key[1:], np.int16)
        assert seen.shape == (400,) and seen[-1] == -1024 and not seen[:-1].any()
    finally:
        owner.close()
    assert left_by(owner.name) == []


def test_what_a_killed_owner_left_is_removed_and_what_a_living_one_has_is_kept() -> None:
    living = Owner()
    try:
        Region(living, "crops", 4096)
        name = subprocess.run(
            [sys.executable, "-c", CHILD, shared.PREFIX], stdout=subprocess.PIPE, text=True
        ).stdout.strip()
        workspace = Path(tempfile.gettempdir()) / name
        workspace.mkdir()
        assert len(left_by(name)) == 2
        sweep()
        assert left_by(name) == [] and not workspace.exists()
        assert len(left_by(living.name)) == 2
    finally:
        living.close()


def test_memory_that_is_not_there_is_refused_at_once() -> None:
    owner = Owner()
    try:
        with pytest.raises(OSError, match=r"."):
            Region(owner, "huge", 1 << 60)
        assert left_by(owner.name) == [FOLDER / f"{owner.name}.lock"]
    finally:
        owner.close()
