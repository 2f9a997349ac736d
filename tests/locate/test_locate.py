"""The whole localisation on real CT, against what a person measured by hand (README of the data)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from tasks.dicom.header import read_header
from tasks.dicom.instance import Instance
from tasks.dicom.stack import stack_planes
from tasks.locate.locate import locate
from tasks.measure.trabecular import measure_trabecular
from tasks.outcomes import Excluded, Reason
from tasks.settings import Settings
from tasks.volume.geometry import Geometry, HuImage, SliceStack
from tasks.volume.volume import Volume

#: Slice position z in mm: mean HU, by hand; good to about ±3 mm and ±15 HU.
BY_HAND = {
    "chest_ct_unenhanced": {-4.25: 262, 27.0: 294, 55.75: 310, 82.0: 310, 108.25: 278, 133.25: 303},
    "chest_ct_philips_ffs": {-664.8: 237, -638.8: 270, -613.8: 265, -589.8: 272, -566.8: 255, -544.8: 259},
    "chest_ct_siemens_3mm": {-624.5: 45, -588.5: 42, -561.5: 55, -534.5: 56, -507.5: 50},
}


@cache
def _volume(folder: Path) -> Volume:
    headers = [read_header(path, path.stat().st_size) for path in sorted(folder.iterdir())]
    return Volume(stack_planes([header for header in headers if isinstance(header, Instance)]))


@dataclass
class Changed:
    """A real stack whose slices are changed on the way."""

    stack: SliceStack
    change: str
    first: int = 0

    @property
    def geometry(self) -> Geometry:
        whole = self.stack.geometry
        z_mm = whole.z_mm[self.first :]
        return Geometry(whole.rows, whole.columns, whole.pixel_mm, z_mm, whole.spacing_mm, whole.origin_mm)

    def want(self, _indices: Iterable[int]) -> None:
        """Drawn slices are at hand."""

    def hu(self, index: int) -> HuImage:
        image: npt.NDArray[np.float64] = self.stack.hu(index + self.first).astype(np.float64)
        if self.change == "noise":
            image = image + np.random.default_rng(index).normal(0.0, 60.0, image.shape)
        elif self.change == "blur":
            image = ndimage.gaussian_filter(image, 1.5)
        elif self.change == "turn":
            image = ndimage.rotate(image, 8.0, reshape=False, order=1, cval=-1024.0)
        elif self.change == "mirror":
            image = image[:, ::-1]
        return np.clip(image, -1024, 3071).astype(np.int16)


def _measured(stack: SliceStack) -> list[tuple[float, float]]:
    anatomy = locate(stack, Settings())
    return [(body.z_mm, measure_trabecular(stack, body).hu) for body in anatomy.bodies]


@pytest.mark.parametrize("name", BY_HAND)
def test_vertebrae_and_their_attenuation_as_by_hand(real_ct: Path, name: str) -> None:
    volume = _volume(real_ct / name)
    by_hand = BY_HAND[name]
    measured = _measured(volume)
    assert len(measured) == 4
    expected = []
    for z_mm, hu in measured:
        nearest = min(by_hand, key=lambda place, z_mm=z_mm: abs(place - z_mm))  # type: ignore[misc]
        assert abs(nearest - z_mm) <= 5.0
        assert abs(by_hand[nearest] - hu) <= 35.0
        expected.append(by_hand[nearest])
    assert abs(np.median(expected) - np.median([hu for _, hu in measured])) <= 20.0
    if volume.geometry.spacing_mm <= 1.25:
        assert volume.cost.slices_read <= 0.45 * volume.cost.slices_total


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("change", ["noise", "blur", "turn", "mirror"])
def test_changed_images_still_give_the_same_vertebrae(real_ct: Path, name: str, change: str) -> None:
    for z_mm, _ in _measured(Changed(_volume(real_ct / name), change)):
        assert min(abs(place - z_mm) for place in BY_HAND[name]) <= 5.0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("chest_ct_enhanced", Reason.CONTRAST_ENHANCED),
        ("chest_ct_partial", Reason.SPINE_NOT_COVERED),
    ],
)
def test_what_must_not_be_measured_is_refused(real_ct: Path, name: str, reason: Reason) -> None:
    with pytest.raises(Excluded) as refused:
        locate(_volume(real_ct / name), Settings())
    assert refused.value.reason is reason


def test_the_upper_half_of_a_chest_has_no_vertebra_that_counts(real_ct: Path) -> None:
    volume = _volume(real_ct / "chest_ct_unenhanced")
    upper = Changed(volume, "none", first=volume.geometry.nearest(140.0))
    with pytest.raises(Excluded) as refused:
        locate(upper, Settings())
    assert refused.value.reason is Reason.SPINE_NOT_COVERED
