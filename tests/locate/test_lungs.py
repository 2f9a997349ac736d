from __future__ import annotations

import pytest

from tasks.locate.lungs import Lungs, find_lungs
from tasks.locate.sections import look_at
from tasks.outcomes import Excluded, Reason
from tests.locate.drawn_chest import DrawnChest


def lungs_of(chest: DrawnChest) -> Lungs:
    return find_lungs(chest, look_at(chest, chest.coarse))


@pytest.mark.parametrize(
    "chest",
    [
        DrawnChest(),
        DrawnChest(arms=True),
        DrawnChest(noise_hu=45.0),
        DrawnChest(carina_mm=265.0),
        DrawnChest(lungs_mm=(170.0, 360.0)),
    ],
    ids=["plain", "arms down", "low dose", "low carina", "high diaphragm"],
)
def test_apex_base_and_carina_are_where_they_were_drawn(chest: DrawnChest) -> None:
    lungs = lungs_of(chest)
    assert lungs.base_mm == pytest.approx(chest.lungs_mm[0], abs=10.0)
    assert lungs.apex_mm == pytest.approx(chest.lungs_mm[1], abs=10.0)
    assert lungs.carina_mm == pytest.approx(chest.carina_mm, abs=10.0)


def test_what_is_not_covered_is_not_claimed() -> None:
    lungs = lungs_of(DrawnChest(slices=50, lungs_mm=(-20.0, 360.0)))
    assert (lungs.apex_mm, lungs.base_mm, lungs.carina_mm) == (None, None, None)


def test_gas_in_the_bowel_is_no_lung() -> None:
    assert lungs_of(DrawnChest(bowel_gas=True)).base_mm == pytest.approx(120.0, abs=10.0)


def test_a_scan_without_lungs_is_no_chest() -> None:
    with pytest.raises(Excluded) as ended:
        lungs_of(DrawnChest(lungs_mm=(900.0, 901.0), carina_mm=900.0, bowel_gas=True))
    assert ended.value.reason is Reason.NOT_CHEST


def test_the_spine_is_looked_for_below_the_carina_and_not_in_the_pelvis() -> None:
    lungs = Lungs((0.0, 600.0, 1000.0), (0.0, 300.0, 0.0), 900.0, 500.0, 750.0, 10.0)
    low, high = lungs.spine_range_mm()
    assert 500.0 - 160.0 <= low <= 500.0 - 105.0
    assert high == 750.0
