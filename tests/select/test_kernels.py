"""Kernels by the names that vendors give them."""

from __future__ import annotations

import pytest

from tasks.select.kernels import Kernel, kernel_class


@pytest.mark.parametrize(
    "name",
    [
        "B19f",
        "B30f",
        "B31s",
        "B40f",
        "B46f",
        "I31f",
        "I30f\\3",
        "Br36d",
        "Br40f\\3",
        "Bv40",
        "Qr40",
        "D30f",
        "STANDARD",
        "SOFT",
        "CHEST",
        "A",
        "B",
        "C",
        "FC01",
        "FC08",
        "FC13-H",
        "FC17",
        "Body Standard",
    ],
)
def test_soft(name: str) -> None:
    assert kernel_class(name) is Kernel.SOFT


@pytest.mark.parametrize(
    "name",
    [
        "B50f",
        "B60f",
        "B70f",
        "B80s",
        "I70f\\3",
        "Br59d",
        "Br64",
        "Bl57d",
        "BL40",
        "LUNG",
        "BONE",
        "BONEPLUS",
        "EDGE",
        "DETAIL",
        "D",
        "E",
        "L",
        "YA",
        "YB",
        "FC30",
        "FC50",
        "FC52",
        "FC81",
        "Body Sharp",
        "B_VSHARP_C",
    ],
)
def test_sharp(name: str) -> None:
    assert kernel_class(name) is Kernel.SHARP


@pytest.mark.parametrize("name", ["", "17", "XYZ", "?", "KERNEL"])
def test_unknown(name: str) -> None:
    assert kernel_class(name) is Kernel.UNKNOWN
