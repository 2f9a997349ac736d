"""The crop: a slab of 5 mm, on a grid of 0.625 mm, about the body's centre, in patient coordinates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pytest

from tasks.infer.crop import CROP_PIXEL_MM, CROP_PIXELS, OUTSIDE_HU, model_crop
from tasks.locate.anatomy import Body
from tasks.outcomes import Excluded, Reason
from tasks.volume.geometry import Geometry, HuImage


@dataclass
class Stack:
    """A stack whose HU is a linear function of patient coordinates: a + bx·x + by·y + bz·z."""

    geometry: Geometry
    slope: tuple[float, float, float] = (0.0, 0.0, 0.0)
    offset: float = 0.0
    asked: list[int] = field(default_factory=list)

    def want(self, _indices: Iterable[int]) -> None:
        """Drawn slices are at hand."""

    def hu(self, index: int) -> HuImage:
        self.asked.append(index)
        g = self.geometry
        x = g.origin_mm[0] + g.pixel_mm * np.arange(g.columns)
        y = g.origin_mm[1] + g.pixel_mm * np.arange(g.rows)
        plane = self.slope[0] * x[None, :] + self.slope[1] * y[:, None]
        return np.rint(plane + self.slope[2] * g.z_mm[index] + self.offset).astype(np.int16)


def geometry(pixel_mm: float = 0.7, spacing_mm: float = 1.25, slices: int = 40, size: int = 400) -> Geometry:
    edge = -(size - 1) / 2 * pixel_mm
    z_mm = tuple(i * spacing_mm for i in range(slices))
    return Geometry(size, size, pixel_mm, z_mm, spacing_mm, (edge, edge))


def body(x: float = 0.0, y: float = 0.0, z: float = 25.0) -> Body:
    return Body(x, y, z, z + 10, z - 10, 40, 30, 1.0)


@pytest.mark.parametrize("pixel_mm", [0.35, 0.5, 0.625, 0.7, 0.98, 1.4])
def test_every_pixel_is_the_attenuation_at_its_patient_position(pixel_mm: float) -> None:
    stack = Stack(geometry(pixel_mm, size=round(280 / pixel_mm)), slope=(3.0, -2.0, 0.0), offset=50.0)
    crop = model_crop(stack, body(x=4.3, y=-7.7))
    steps = (np.arange(CROP_PIXELS) - (CROP_PIXELS - 1) / 2) * CROP_PIXEL_MM
    expected = 50 + 3.0 * (4.3 + steps)[None, :] - 2.0 * (-7.7 + steps)[:, None]
    assert crop.dtype == np.int16
    np.testing.assert_allclose(
        crop, expected, atol=1.6
    )  # two roundings to whole HU, of slices and of the crop


def test_rows_grow_to_the_back_and_columns_to_the_left_of_the_patient() -> None:
    crop = model_crop(Stack(geometry(), slope=(1.0, 10.0, 0.0)), body())
    assert crop[200, 112] > crop[20, 112] + 1000
    assert crop[112, 20] + 100 < crop[112, 200] < crop[112, 20] + 130


def test_outside_the_image_is_air() -> None:
    flat = Stack(
        geometry(pixel_mm=0.5, size=200), offset=300.0
    )  # 100 mm: 20 mm of the crop on each side are outside
    crop = model_crop(flat, body())
    assert (crop[:30] == OUTSIDE_HU).all() and (crop[:, -30:] == OUTSIDE_HU).all()
    assert (crop[40:-40, 40:-40] == 300).all()
    assert (model_crop(flat, body(x=500.0)) == OUTSIDE_HU).all()


def test_fine_pixels_are_averaged_and_not_skipped() -> None:
    grid = geometry(pixel_mm=0.3125, size=600)

    class Checkered(Stack):
        def want(self, _indices: Iterable[int]) -> None:
            """Drawn slices are at hand."""

        def hu(self, _index: int) -> HuImage:
            board = np.indices((600, 600)).sum(axis=0) % 2
            return np.where(board, 400, 0).astype(np.int16)

    crop = model_crop(Checkered(grid), body())
    assert np.abs(crop[20:-20, 20:-20].astype(int) - 200).max() <= 1


def test_no_slice_is_decoded_that_the_slab_does_not_need() -> None:
    stack = Stack(geometry(spacing_mm=1.25))
    model_crop(stack, body(z=25.0))
    assert sorted(stack.asked) == [18, 19, 20, 21, 22]  # 18 and 22 with half their extent: 5 mm in all


def test_at_the_edge_of_the_scan_the_study_is_refused() -> None:
    with pytest.raises(Excluded) as refusal:
        model_crop(Stack(geometry()), body(z=-1.0))
    assert refusal.value.reason is Reason.SPINE_NOT_COVERED


def test_the_crop_is_written_where_it_is_wanted() -> None:
    place = np.zeros((CROP_PIXELS, CROP_PIXELS), np.int16)
    stack = Stack(geometry(), slope=(1.0, 1.0, 1.0))
    assert model_crop(stack, body(), out=place) is place
    np.testing.assert_array_equal(place, model_crop(stack, body()))


def test_very_bright_metal_does_not_wrap_around() -> None:
    crop = model_crop(Stack(geometry(), offset=32767.0), body())
    assert crop.max() == 32767 and crop[112, 112] == 32767
