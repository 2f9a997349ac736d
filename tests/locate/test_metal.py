from __future__ import annotations

import pytest

from tasks.locate.metal import find_metal, without_metal
from tasks.locate.sections import look_at
from tasks.outcomes import Excluded, Reason, Warn
from tasks.settings import Metal
from tests.locate.drawn_chest import BODY_Y_MM, CANAL_Y_MM, DrawnChest

Spot = tuple[float, float, float, float, float, float]


def judge(spots: list[Spot]) -> tuple[list[float], tuple[Warn, ...]]:
    chest = DrawnChest(spots=spots)
    metal = find_metal(chest, chest.bodies, look_at(chest, chest.coarse), Metal())
    clean, warnings = without_metal(chest.bodies, metal, Metal())
    return [body.z_mm for body in clean], warnings


def test_a_clean_chest_has_no_metal() -> None:
    assert judge([]) == (list(DrawnChest().bodies_mm), ())


def test_a_screw_takes_its_vertebra_away() -> None:
    kept, warnings = judge([(15.0, CANAL_Y_MM - 10.0, 140.0, 150.0, 4.0, 3071.0)])
    assert 145.0 not in kept and 60.0 in kept
    assert warnings == (Warn.METAL_NEARBY,)


def test_cement_is_found_although_it_is_no_metal() -> None:
    kept, _ = judge([(4.0, BODY_Y_MM, 82.0, 98.0, 9.0, 1200.0)])
    assert 90.0 not in kept and 60.0 in kept


def test_a_pacemaker_far_away_only_warns() -> None:
    kept, warnings = judge([(-80.0, -75.0, 340.0, 360.0, 12.0, 3071.0)])
    assert kept == list(DrawnChest().bodies_mm)
    assert warnings == (Warn.METAL_NEARBY,)


def test_an_electrode_on_the_skin_is_not_in_the_patient() -> None:
    assert judge([(0.0, -107.0, 200.0, 210.0, 4.0, 3071.0)])[1] == ()


def test_rods_along_the_spine_refuse_the_study() -> None:
    with pytest.raises(Excluded) as ended:
        judge([(side * 18.0, CANAL_Y_MM + 10.0, 40.0, 230.0, 4.0, 3071.0) for side in (-1.0, 1.0)])
    assert ended.value.reason is Reason.METAL
