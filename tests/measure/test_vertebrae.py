"""The vertebrae of a study measured together: which stand, which are passed over, and with what doubts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from tasks.locate.anatomy import Body
from tasks.measure.vertebrae import measure_vertebrae
from tasks.outcomes import Excluded, Reason, Warn
from tasks.settings import Settings
from tasks.volume.geometry import Geometry, HuImage
from tests.locate.drawn_spine import DrawnSpine

SETTINGS = Settings()
NUMBERS = (1, 2, 3, 4)


class _Uneven:
    """A drawn spine of 120 HU, some bodies of which have bone of their own."""

    def __init__(self, own_hu: dict[int, float], noise_hu: float = 5.0) -> None:
        self._plain = DrawnSpine(trabecular_hu=120.0, noise_hu=noise_hu)
        self._own = {number: DrawnSpine(trabecular_hu=hu, noise_hu=noise_hu) for number, hu in own_hu.items()}

    @property
    def geometry(self) -> Geometry:
        return self._plain.geometry

    def want(self, _indices: Iterable[int]) -> None:
        """Drawn slices are at hand."""

    def hu(self, index: int) -> HuImage:
        edges = self._plain.edges_mm
        number = int(np.searchsorted(edges, self.geometry.z_mm[index])) - 1
        return self._own.get(number, self._plain).hu(index)

    def bodies(self) -> tuple[Body, ...]:
        heights = (float(self._plain.centres_mm[number]) for number in NUMBERS)
        y_mm = self._plain.canal_y_mm(0.0) - 24.0
        return tuple(Body(0.0, y_mm, z, z + 11.0, z - 11.0, 32.0, 25.0, confidence=1.0) for z in heights)


def test_sound_vertebrae_are_measured_in_their_order_and_without_a_doubt() -> None:
    spine = _Uneven({1: 110.0, 4: 130.0})
    vertebrae, doubts = measure_vertebrae(spine, spine.bodies(), 120.0, SETTINGS)
    assert [vertebra.body for vertebra in vertebrae] == list(spine.bodies())
    assert [vertebra.trabecular.hu for vertebra in vertebrae] == pytest.approx([110, 120, 120, 130], abs=4)
    assert [vertebra.hu_120kvp for vertebra in vertebrae] == [v.trabecular.hu for v in vertebrae]
    assert doubts == ()


@pytest.mark.parametrize(
    "own_hu", [{2: 240.0}, {2: 700.0}], ids=["brighter than its neighbours", "cemented through"]
)
def test_a_vertebra_that_cannot_be_sound_is_passed_over_and_told_of(own_hu: dict[int, float]) -> None:
    spine = _Uneven(own_hu)
    vertebrae, doubts = measure_vertebrae(spine, spine.bodies(), 120.0, SETTINGS)
    first, _, *others = spine.bodies()
    assert [vertebra.body for vertebra in vertebrae] == [first, *others]
    assert doubts == (Warn.POSSIBLE_FRACTURE,)


def test_too_few_that_can_be_measured_end_the_study() -> None:
    spine = _Uneven({1: 700.0, 2: 700.0, 3: 700.0})
    with pytest.raises(Excluded) as refusal:
        measure_vertebrae(spine, spine.bodies(), 120.0, SETTINGS)
    assert refusal.value.reason is Reason.IMPLAUSIBLE_ANATOMY


def test_without_a_tube_voltage_nothing_is_converted() -> None:
    spine = _Uneven({})
    vertebrae, doubts = measure_vertebrae(spine, spine.bodies(), None, SETTINGS)
    assert {vertebra.hu_120kvp for vertebra in vertebrae} == {None}
    assert set(doubts) == {Warn.KVP_UNKNOWN}


def test_noise_is_told_of() -> None:
    spine = _Uneven({}, noise_hu=150.0)
    _, doubts = measure_vertebrae(spine, spine.bodies(), 120.0, SETTINGS)
    assert Warn.NOISY in doubts
