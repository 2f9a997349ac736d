from __future__ import annotations

import pytest

from tasks.locate.anatomy import Aorta
from tasks.locate.aorta import find_aorta
from tasks.locate.lungs import find_lungs
from tasks.locate.sections import look_at
from tests.locate.drawn_chest import DrawnChest


def aorta_of(chest: DrawnChest) -> Aorta | None:
    sections = look_at(chest, chest.coarse)
    return find_aorta(chest, chest.column, find_lungs(chest, sections), sections)


@pytest.mark.parametrize(
    ("blood_hu", "calcified"), [(20.0, False), (40.0, True), (110.0, False), (250.0, True)]
)
def test_blood_is_measured_in_the_lumen(blood_hu: float, calcified: bool) -> None:
    aorta = aorta_of(DrawnChest(blood_hu=blood_hu, calcified=calcified))
    assert aorta is not None
    assert aorta.hu == pytest.approx(blood_hu, abs=5.0)
    assert aorta.x_mm == pytest.approx(26.0, abs=5.0)
    assert aorta.y_mm == pytest.approx(28.0, abs=5.0)


def test_noise_does_not_move_the_median() -> None:
    aorta = aorta_of(DrawnChest(noise_hu=45.0))
    assert aorta is not None
    assert aorta.hu == pytest.approx(40.0, abs=8.0)


def test_a_right_sided_aorta_is_found() -> None:
    aorta = aorta_of(DrawnChest(aorta_x_mm=-30.0))
    assert aorta is not None
    assert aorta.hu == pytest.approx(40.0, abs=6.0)


def test_without_an_aorta_none_is_claimed() -> None:
    assert aorta_of(DrawnChest(aorta_x_mm=None)) is None
