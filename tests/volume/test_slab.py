"""Slices weigh what they share with a slab, and a slab that the scan cuts off is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.outcomes import Excluded, Reason
from tasks.volume.geometry import Geometry
from tasks.volume.slab import LEAST_WEIGHT, SLAB_MM, slab_weights


def _grid(spacing_mm: float, slices: int = 200) -> Geometry:
    return Geometry(2, 2, 1.0, tuple(spacing_mm * index for index in range(slices)), spacing_mm, (0.0, 0.0))


@given(st.floats(0.5, 5.0), st.floats(10.0, 80.0), st.floats(1.0, 10.0))
@settings(deadline=None)
def test_slices_weigh_what_they_share_with_the_slab(
    spacing_mm: float, z_mm: float, thickness_mm: float
) -> None:
    grid = _grid(spacing_mm)
    weights = slab_weights(grid, z_mm, thickness_mm)
    assert sum(weights.values()) == pytest.approx(1.0)
    assert min(weights.values()) >= LEAST_WEIGHT - 1e-9
    assert all(abs(grid.z_mm[index] - z_mm) < (thickness_mm + spacing_mm) / 2 for index in weights)
    middle = sum(weight * grid.z_mm[index] for index, weight in weights.items())
    assert middle == pytest.approx(z_mm, abs=0.5 * spacing_mm + 0.1 * thickness_mm)


def test_the_slab_is_as_thick_as_hands_place_it() -> None:
    assert slab_weights(_grid(1.0), 50.0) == pytest.approx(dict.fromkeys(range(48, 53), 0.2))
    assert slab_weights(_grid(1.25), 50.0) == pytest.approx(
        {38: 0.125, 39: 0.25, 40: 0.25, 41: 0.25, 42: 0.125}
    )


@pytest.mark.parametrize("z_mm", [0.0, 0.9, 18.1, 19.0, -40.0, 70.0])
def test_a_slab_that_the_scan_cuts_off_is_refused(z_mm: float) -> None:
    with pytest.raises(Excluded) as refusal:
        slab_weights(_grid(1.0, slices=20), z_mm)
    assert refusal.value.reason is Reason.SPINE_NOT_COVERED


@pytest.mark.parametrize("z_mm", [1.1, 9.5, 17.9])
def test_a_slab_that_is_nearly_covered_is_not(z_mm: float) -> None:
    assert len(slab_weights(_grid(1.0, slices=20), z_mm)) <= SLAB_MM + 1
