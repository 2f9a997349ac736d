from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.locate.anatomy import Aorta
from tasks.locate.aorta import find_aorta
from tasks.locate.bloodpool import paraspinal_hu
from tasks.locate.contrast import check_contrast
from tasks.locate.lungs import find_lungs
from tasks.locate.sections import look_at
from tasks.outcomes import Excluded, Reason, Warn
from tasks.settings import Contrast
from tests.locate.drawn_chest import DrawnChest


def judge(chest: DrawnChest, *, with_aorta: bool = True) -> tuple[Warn, ...]:
    sections = look_at(chest, chest.coarse)
    lungs = find_lungs(chest, sections)
    aorta = find_aorta(chest, chest.column, lungs, sections) if with_aorta else None
    muscle = paraspinal_hu(lungs, sections, chest.column)
    return check_contrast(aorta, muscle, lungs, sections, chest.column, Contrast())


@pytest.mark.parametrize("blood_hu", [90.0, 300.0])
@pytest.mark.parametrize("with_aorta", [True, False])
def test_enhanced_blood_is_refused_with_and_without_the_aorta(blood_hu: float, with_aorta: bool) -> None:
    with pytest.raises(Excluded) as ended:
        judge(DrawnChest(blood_hu=blood_hu), with_aorta=with_aorta)
    assert ended.value.reason is Reason.CONTRAST_ENHANCED


@pytest.mark.parametrize(
    "chest",
    [
        DrawnChest(blood_hu=25.0),
        DrawnChest(blood_hu=60.0),
        DrawnChest(noise_hu=45.0),
        DrawnChest(calcified=True),
        DrawnChest(spots=[(10.0, -40.0, 150.0, 250.0, 5.0, 3000.0)]),
    ],
    ids=["anaemia", "polycythaemia", "low dose", "calcified aorta", "pacemaker lead"],
)
def test_unenhanced_blood_passes(chest: DrawnChest) -> None:
    assert judge(chest) == ()


def test_without_an_aorta_the_reader_is_warned() -> None:
    assert judge(DrawnChest(), with_aorta=False) == (Warn.AORTA_NOT_FOUND,)


def test_enhanced_kidneys_alone_are_enough() -> None:
    kidneys = [(side * 65.0, 50.0, 40.0, 120.0, 24.0, 160.0) for side in (-1.0, 1.0)]
    with pytest.raises(Excluded, match="beside the spine"):
        judge(DrawnChest(spots=kidneys))


@pytest.mark.parametrize(("aorta_hu", "muscle_hu"), [(71.0, None), (60.0, 34.0)])
def test_either_limit_of_the_aorta_refuses(aorta_hu: float, muscle_hu: float | None) -> None:
    chest = DrawnChest()
    sections = look_at(chest, chest.coarse)
    lungs = find_lungs(chest, sections)
    aorta = Aorta(hu=40.0, slices=9, x_mm=26.0, y_mm=28.0, z_mm=200.0)
    args = (lungs, sections, chest.column, Contrast())
    assert check_contrast(aorta, 48.0, *args) == ()
    with pytest.raises(Excluded, match="aorta"):
        check_contrast(replace(aorta, hu=aorta_hu), muscle_hu, *args)
