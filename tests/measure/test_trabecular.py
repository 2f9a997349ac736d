from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.locate.anatomy import Body
from tasks.measure.trabecular import measure_trabecular, slab_mean, slab_weights
from tasks.outcomes import Excluded, Reason
from tasks.volume.geometry import Geometry
from tests.locate.drawn_spine import DrawnSpine


def _body(spine: DrawnSpine, number: int) -> Body:
    z_mm = float(spine.centres_mm[number])
    return Body(
        0.0, spine.canal_y_mm(z_mm) - 24.0, z_mm, z_mm + 11.0, z_mm - 11.0, 32.0, 25.0, confidence=1.0
    )


@pytest.mark.parametrize("trabecular_hu", [-20.0, 60.0, 100.0, 180.0, 300.0])
@pytest.mark.parametrize("spacing_mm", [1.0, 2.5, 5.0])
def test_measured_attenuation_follows_the_bone(trabecular_hu: float, spacing_mm: float) -> None:
    spine = DrawnSpine(trabecular_hu=trabecular_hu, spacing_mm=spacing_mm)
    measured = measure_trabecular(spine, _body(spine, 2))
    assert measured.hu == pytest.approx(trabecular_hu, abs=4.0)
    assert measured.area_mm2 == pytest.approx(np.pi * measured.radius_x_mm * measured.radius_y_mm, rel=0.1)
    assert measured.radius_x_mm <= 7.0


def test_the_region_gives_way_to_sclerosis() -> None:
    spine = DrawnSpine(trabecular_hu=120.0, noise_hu=0.0)
    body = _body(spine, 2)
    drawn = spine.hu

    def sclerotic(index: int) -> np.ndarray:
        image = drawn(index).copy()
        row, column = spine.geometry.to_pixel(body.x_mm + 6.0, body.y_mm)
        y, x = np.mgrid[0 : spine.size, 0 : spine.size]
        image[np.hypot(x - column, y - row) < 4.0] = 700
        return image

    spine.hu = sclerotic  # type: ignore[method-assign]
    measured = measure_trabecular(spine, body)
    assert measured.x_mm < body.x_mm - 1.0
    assert measured.hu < 150.0


def test_what_no_trabecular_bone_measures_is_refused() -> None:
    spine = DrawnSpine(trabecular_hu=700.0)  # cement that spares no part of the body
    with pytest.raises(Excluded, match="measures") as refusal:
        measure_trabecular(spine, _body(spine, 2))
    assert refusal.value.reason is Reason.IMPLAUSIBLE_ANATOMY


@pytest.mark.parametrize("foreign_hu", [-1024, 0])
def test_a_slice_that_does_not_belong_is_refused(foreign_hu: int) -> None:
    spine = DrawnSpine(trabecular_hu=300.0, spacing_mm=1.0)
    body = _body(spine, 2)
    drawn, replaced = spine.hu, spine.geometry.nearest(body.z_mm)

    def foreign(index: int) -> np.ndarray:
        return np.full_like(drawn(index), foreign_hu) if index == replaced else drawn(index)

    spine.hu = foreign  # type: ignore[method-assign]
    with pytest.raises(Excluded, match="differ") as refusal:
        measure_trabecular(spine, body)
    assert refusal.value.reason is Reason.IMPLAUSIBLE_ANATOMY


def test_a_body_outside_of_the_stack_is_an_error() -> None:
    spine = DrawnSpine()
    with pytest.raises(ValueError, match="outside"):
        measure_trabecular(spine, Body(900.0, 900.0, 50.0, 60.0, 40.0, 30.0, 25.0, confidence=1.0))


@given(st.floats(0.5, 5.0), st.floats(10.0, 80.0), st.floats(1.0, 10.0))
def test_a_slab_weighs_its_slices_by_overlap(spacing_mm: float, z_mm: float, thickness_mm: float) -> None:
    z = tuple(spacing_mm * index for index in range(200))
    weights = slab_weights(Geometry(2, 2, 1.0, z, spacing_mm, (0.0, 0.0)), z_mm, thickness_mm)
    assert sum(weights.values()) == pytest.approx(1.0)
    middle = sum(weight * z[index] for index, weight in weights.items())
    assert middle == pytest.approx(z_mm, abs=0.5 * spacing_mm + 0.1 * thickness_mm)


def test_a_slab_of_alternating_slices_is_their_mean() -> None:
    class Stripes:
        geometry = Geometry(3, 3, 1.0, tuple(float(z) for z in range(20)), 1.0, (0.0, 0.0))

        def want(self, _indices: Iterable[int]) -> None:
            """Drawn slices are at hand."""

        def hu(self, index: int) -> np.ndarray:
            return np.full((3, 3), 100 * index, dtype=np.int16)

    assert slab_mean(Stripes(), 10.0, 5.0) == pytest.approx(1000.0)
