"""Generated scanners: tube voltage, kernels, noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.phantom.scanner import VENDORS, Kernel, bone_factor, expose, sample_scanner


@pytest.mark.parametrize(("kvp", "mean_l1_hu"), [(100, 148.1), (120, 140.9), (140, 131.3)])
def test_bone_follows_the_published_means(kvp: int, mean_l1_hu: float) -> None:
    assert bone_factor(kvp) * 140.9 == pytest.approx(mean_l1_hu)


@given(low=st.floats(80, 139), step=st.floats(0.5, 40))
def test_bone_is_brighter_at_lower_voltage(low: float, step: float) -> None:
    assert bone_factor(low) > bone_factor(min(low + step, 140.0))


@pytest.mark.parametrize("kernel", ["soft", "standard", "sharp"])
def test_noise_has_the_strength_it_says_and_the_mean_stays(kernel: Kernel) -> None:
    rng = np.random.default_rng(2)
    scanner = replace(sample_scanner(rng, kernel_kind=kernel), streak_hu=0.0, offset_hu=0.0)
    flat = np.full((160, 200), 45.0, np.float32)
    image = expose(flat, scanner, rng, pixel_mm=0.7, noise_hu=25.0)
    assert image.std() == pytest.approx(25.0, rel=0.05)
    assert image.mean() == pytest.approx(45.0, abs=0.5)


def test_a_sharper_kernel_keeps_more_of_an_edge() -> None:
    rng = np.random.default_rng(3)
    edge = np.zeros((64, 64), np.float32)
    edge[:, 16:48] = 1000.0
    steepest = {
        kind: np.abs(
            np.diff(
                expose(
                    edge,
                    replace(sample_scanner(rng, kernel_kind=kind), streak_hu=0.0),
                    rng,
                    pixel_mm=0.5,
                    noise_hu=0.0,
                )
            )
        ).max()
        for kind in ("soft", "standard", "sharp")
    }
    assert steepest["soft"] < steepest["standard"] < steepest["sharp"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_given_is_kept_and_the_kernel_is_the_vendors(vendor: str) -> None:
    scanner = sample_scanner(np.random.default_rng(4), kvp=100, kernel_kind="sharp", vendor=vendor)
    assert (scanner.kvp, scanner.kernel_kind, scanner.vendor) == (100, "sharp", vendor)
    assert scanner.kernel in VENDORS[vendor][1]["sharp"]
