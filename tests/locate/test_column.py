from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from tasks.locate.column import find_column, smooth_line
from tasks.locate.sampling import coarse_slices
from tasks.outcomes import Excluded, Reason
from tasks.volume.geometry import Geometry, HuImage
from tests.locate.drawn_spine import DrawnSpine


class Water:
    """A stack without a spine."""

    geometry = Geometry(120, 120, 2.0, tuple(float(z) for z in range(0, 150, 3)), 3.0, (-120.0, -120.0))

    def want(self, _indices: Iterable[int]) -> None:
        """Drawn slices are at hand."""

    def hu(self, index: int) -> HuImage:
        return np.random.default_rng(index).normal(40.0, 20.0, (120, 120)).astype(np.int16)


@pytest.mark.parametrize("trabecular_hu", [0.0, 60.0, 150.0, 300.0])
@pytest.mark.parametrize("lean", [0.0, 0.3])
def test_canal_and_bodies_are_followed_at_any_density(trabecular_hu: float, lean: float) -> None:
    spine = DrawnSpine(trabecular_hu=trabecular_hu, lean=lean)
    column = find_column(spine)
    assert column.z_mm[-1] - column.z_mm[0] > 140.0
    for z, (x, y), body in zip(column.z_mm, column.canal_xy_mm, column.body_xy_mm, strict=True):
        assert abs(x) < 4.0
        assert abs(y - spine.canal_y_mm(z)) < 6.0
        assert 15.0 < y - body[1] < 34.0
    assert 14.0 < float(np.median(column.body_radius_mm)) < 22.0


def test_only_coarse_slices_are_read() -> None:
    spine = DrawnSpine(spacing_mm=1.25)
    find_column(spine)
    assert spine.seen == set(coarse_slices(spine.geometry))


def test_no_spine_is_said_so() -> None:
    with pytest.raises(Excluded) as refused:
        find_column(Water())
    assert refused.value.reason is Reason.SPINE_NOT_FOUND


def test_smoothing_keeps_a_parabola_and_drops_jitter() -> None:
    z = np.arange(0.0, 200.0, 10.0)
    curve = 0.002 * (z - 90.0) ** 2
    jitter = np.where(np.arange(len(z)) % 2 == 0, 1.5, -1.5)
    assert np.allclose(smooth_line(z, curve), curve, atol=1e-6)
    assert np.abs(smooth_line(z, curve + jitter) - curve)[3:-3].max() < 0.6
