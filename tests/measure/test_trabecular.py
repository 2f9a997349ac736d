from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.locate.anatomy import Body
from tasks.measure.trabecular import LARGEST_REACH, measure_trabecular, slab_mean
from tasks.outcomes import Excluded, Reason
from tasks.volume.geometry import Geometry, HuImage
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
    with pytest.raises(Excluded, match="its attenuation") as refusal:
        measure_trabecular(spine, _body(spine, 2))
    assert refusal.value.reason is Reason.IMPLAUSIBLE_ANATOMY


@given(st.floats(21.0, 60.0), st.floats(18.0, 45.0), st.integers(0, 7))
@settings(max_examples=25, deadline=None)
def test_the_region_never_leaves_the_body(width_mm: float, depth_mm: float, where: int) -> None:
    """Bright bone on one side drives the region away, and never through the cortex on the other."""
    body = Body(0.0, 0.0, 10.0, 21.0, -1.0, width_mm, depth_mm, confidence=1.0)
    measured = measure_trabecular(_HalfBright(2 * np.pi * where / 8), body)
    turn = np.linspace(0.0, 2 * np.pi, 90)
    x = (measured.x_mm + measured.radius_x_mm * np.cos(turn)) / (width_mm / 2)
    y = (measured.y_mm + measured.radius_y_mm * np.sin(turn)) / (depth_mm / 2)
    assert np.hypot(x, y).max() <= LARGEST_REACH + 1e-6


class _HalfBright:
    """Slices that grow brighter in one direction: no place is even, one end is the evenest."""

    geometry = Geometry(80, 80, 1.0, tuple(float(z) for z in range(21)), 1.0, (-39.5, -39.5))

    def __init__(self, towards: float) -> None:
        y, x = np.mgrid[-39.5:40, -39.5:40]
        along = x * np.cos(towards) + y * np.sin(towards)
        self._slice: HuImage = np.clip(100.0 + 0.3 * np.maximum(along + 10.0, 0.0) ** 2, 0, 300).astype(
            np.int16
        )

    def want(self, _indices: Iterable[int]) -> None:
        """Drawn slices are at hand."""

    def hu(self, _index: int) -> HuImage:
        return self._slice


def test_cement_that_fills_part_of_the_region_is_refused() -> None:
    spine = DrawnSpine(trabecular_hu=100.0)
    body = _body(spine, 2)
    drawn = spine.hu

    def cemented(index: int) -> np.ndarray:
        image = drawn(index).copy()
        row, column = spine.geometry.to_pixel(body.x_mm, body.y_mm - 0.2 * body.depth_mm / 2)
        y, x = np.mgrid[0 : spine.size, 0 : spine.size]
        image[np.hypot(x - column, y - row) < 4.0] = 750
        return image

    spine.hu = cemented  # type: ignore[method-assign]
    with pytest.raises(Excluded, match="bone is even"):
        measure_trabecular(spine, body)


def test_a_slice_of_another_patient_with_like_bone_is_refused() -> None:
    spine = DrawnSpine(trabecular_hu=120.0, spacing_mm=1.0)
    body = _body(spine, 2)
    drawn, replaced = spine.hu, spine.geometry.nearest(body.z_mm)

    def foreign(index: int) -> np.ndarray:
        """Its middle is the patient's own; around it another body, half as wide."""
        image = drawn(index).copy()
        if index == replaced:
            image[:, : spine.size // 3] = image[:, -(spine.size // 3) :] = -1000
        return image

    spine.hu = foreign  # type: ignore[method-assign]
    with pytest.raises(Excluded, match="belong together"):
        measure_trabecular(spine, body)


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


def test_a_slab_of_alternating_slices_is_their_mean() -> None:
    class Stripes:
        geometry = Geometry(3, 3, 1.0, tuple(float(z) for z in range(20)), 1.0, (0.0, 0.0))

        def want(self, _indices: Iterable[int]) -> None:
            """Drawn slices are at hand."""

        def hu(self, index: int) -> np.ndarray:
            return np.full((3, 3), 100 * index, dtype=np.int16)

    assert slab_mean(Stripes(), 10.0) == pytest.approx(1000.0)
