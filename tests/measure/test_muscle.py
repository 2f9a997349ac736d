from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.locate.anatomy import Anatomy
from tasks.measure.muscle import Muscle, measure_muscle, smi_cm2_m2
from tasks.settings import MuscleArea
from tests.locate.drawn_chest import DrawnChest

MUSCLE = MuscleArea()


def anatomy_of(chest: DrawnChest, level: str | None) -> Anatomy:
    body = replace(chest.bodies[1], level=level, level_confidence=0.9)
    return Anatomy(chest.column, (body,), aorta=None, muscle_hu=None)


def test_muscle_between_skin_and_bone_is_measured() -> None:
    chest = DrawnChest()
    muscle = measure_muscle(chest, anatomy_of(chest, "T12"), MUSCLE)
    assert muscle is not None
    assert (muscle.level, muscle.z_mm) == ("T12", 90.0)
    assert muscle.hu == pytest.approx(48.0, abs=3.0)
    # drawn: 130 mm wide, from the bone at about y = 82 mm to the fat of the back at y = 110 mm (less aside)
    assert muscle.area_cm2 == pytest.approx(25.0, abs=7.0)


def test_less_muscle_is_less_area() -> None:
    full = DrawnChest()
    wasted = DrawnChest(spots=[(side * 40.0, 96.0, 80.0, 100.0, 8.0, -90.0) for side in (-1.0, 1.0)])
    before = measure_muscle(full, anatomy_of(full, "T12"), MUSCLE)
    after = measure_muscle(wasted, anatomy_of(wasted, "T12"), MUSCLE)
    assert before is not None and after is not None
    assert before.area_cm2 - after.area_cm2 == pytest.approx(4.0, abs=1.0)


def test_what_counts_as_muscle_is_a_setting() -> None:
    chest = DrawnChest()
    brighter_than_drawn = MuscleArea(low_hu=100.0)
    assert measure_muscle(chest, anatomy_of(chest, "T12"), brighter_than_drawn) is None


@pytest.mark.parametrize("level", [None, "T8", "L4"])
def test_only_levels_near_t12_are_measured(level: str | None) -> None:
    chest = DrawnChest()
    assert measure_muscle(chest, anatomy_of(chest, level), MUSCLE) is None


def test_a_wasted_side_alone_is_not_believed() -> None:
    chest = DrawnChest(spots=[(40.0, 96.0, 80.0, 100.0, 30.0, -90.0)])
    assert measure_muscle(chest, anatomy_of(chest, "T12"), MUSCLE) is None


@pytest.mark.parametrize(("height_m", "index"), [(2.0, 10.0), (1.25, 25.6), (None, None), (17.0, None)])
def test_the_index_needs_a_believable_height(height_m: float | None, index: float | None) -> None:
    assert smi_cm2_m2(Muscle(40.0, 45.0, "T12", 0.0), height_m) == (index and pytest.approx(index))
    assert smi_cm2_m2(None, height_m) is None
