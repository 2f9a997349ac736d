from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.locate.levels import LEVELS, SPACING_MM, level_posterior, name_levels
from tasks.locate.lungs import Lungs, find_lungs
from tasks.locate.ribs import ribs_seen
from tasks.locate.sections import look_at
from tasks.settings import Levels
from tests.locate.drawn_chest import DrawnChest

CENTRES = -np.concatenate([[0.0], np.cumsum(SPACING_MM)])
BOTH, NEITHER = (True, True), (False, False)


def place_of(level: float, stature: float = 1.0) -> float:
    """Height of a level (5.0 is the centre of T5) in a patient whose T1 is at 0."""
    return stature * float(np.interp(level, np.arange(1, len(CENTRES) + 1), CENTRES))


def bodies_at(lowest: str, highest: str, stature: float = 1.0) -> np.ndarray:
    numbers = range(LEVELS.index(lowest) + 1, LEVELS.index(highest), -1)
    return np.array([place_of(number, stature) for number in numbers])


@pytest.mark.parametrize("stature", [0.88, 1.0, 1.15])
@pytest.mark.parametrize("lowest", ["T10", "T11", "T12", "L1", "L2"])
def test_a_whole_chest_is_named_rightly(lowest: str, stature: float) -> None:
    places = bodies_at(lowest, "T7", stature)
    marks = {
        name: place_of(level, stature) for name, level in (("apex", 1.1), ("carina", 5.1), ("base", 12.0))
    }
    ribs = [BOTH if number <= 12 else NEITHER for number in range(LEVELS.index(lowest) + 1, 6, -1)]
    posterior = level_posterior(places, marks, ribs, 10.0)
    assert LEVELS[int(posterior[0].argmax())] == lowest
    assert posterior[0].max() > 0.6


def test_a_high_diaphragm_is_outvoted_by_carina_and_apex() -> None:
    places = bodies_at("T12", "T7")
    marks = {"apex": place_of(1.1), "carina": place_of(5.1), "base": place_of(10.5)}
    assert LEVELS[int(level_posterior(places, marks, [BOTH] * 6, 10.0)[0].argmax())] == "T12"


def test_a_missing_body_is_counted_all_the_same() -> None:
    places = np.delete(bodies_at("T12", "T6"), 2)
    marks = {"apex": place_of(1.1), "carina": place_of(5.1)}
    posterior = level_posterior(places, marks, [None] * len(places), 10.0)
    assert [LEVELS[int(row.argmax())] for row in posterior] == ["T12", "T11", "T9", "T8", "T7", "T6"]


def test_an_upper_thorax_names_no_lower_thoracic_vertebra() -> None:
    places = bodies_at("T6", "T3")
    posterior = level_posterior(places, {"apex": place_of(1.1)}, [BOTH] * 4, 10.0)
    assert posterior[:, LEVELS.index("T8") :].sum(axis=1).max() < 0.02


def test_without_landmarks_nothing_is_certain() -> None:
    assert level_posterior(bodies_at("T11", "T10"), {}, [None, None], 10.0).max() < 0.5


@given(
    gaps=st.lists(st.floats(12.0, 60.0), min_size=0, max_size=8),
    carina=st.floats(-50.0, 400.0),
    base=st.floats(-300.0, 200.0),
)
@settings(deadline=None)
def test_every_row_is_a_distribution_whatever_was_found(
    gaps: list[float], carina: float, base: float
) -> None:
    places = np.cumsum([0.0, *gaps])
    posterior = level_posterior(places, {"carina": carina, "base": base}, [None] * len(places), 10.0)
    assert posterior.shape == (len(places), len(LEVELS))
    assert np.allclose(posterior.sum(axis=1), 1.0)
    assert (posterior >= 0.0).all()


def test_ribs_are_seen_where_they_were_drawn() -> None:
    chest = DrawnChest(last_rib_mm=90.0)
    sections = look_at(chest, chest.coarse)
    seen = {body.z_mm: ribs_seen(chest, chest.column, body, sections) for body in chest.bodies}
    assert seen[60.0] == NEITHER
    assert seen[90.0] == BOTH


def test_bodies_keep_their_place_and_gain_a_name() -> None:
    chest = DrawnChest(last_rib_mm=90.0, carina_mm=256.0, lungs_mm=(95.0, 332.0))
    sections = look_at(chest, chest.coarse)
    lungs = find_lungs(chest, sections)
    named = name_levels(chest, chest.column, chest.bodies, lungs, sections, Levels())
    assert [body.z_mm for body in named] == [body.z_mm for body in chest.bodies]
    assert named[0].level == "L1"
    assert 0.5 <= named[0].level_confidence <= 1.0


def test_no_name_is_given_below_the_limit() -> None:
    chest = DrawnChest()
    nothing = Lungs((0.0, 10.0), (0.0, 0.0), None, None, None, 10.0)
    (body,) = name_levels(chest, chest.column, chest.bodies[:1], nothing, (), Levels(min_confidence=0.5))
    assert body.level is None
    assert body.level_confidence < 0.5
    assert name_levels(chest, chest.column, (), nothing, (), Levels()) == ()
