from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.locate.anatomy import Body
from tasks.locate.choice import choose_bodies, height_ratio
from tasks.outcomes import Excluded, Reason, Warn
from tasks.settings import Vertebrae

LIMITS = Vertebrae()


def _train(*levels: str | None) -> list[Body]:
    return [
        Body(0.0, 0.0, 27.0 * place, 27.0 * place + 10.5, 27.0 * place - 10.5, 36.0, 30.0, 1.0, level, 0.9)
        for place, level in enumerate(levels)
    ]


def _names(bodies: tuple[Body, ...]) -> list[str | None]:
    return [body.level for body in bodies]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (["L1", "T12", "T11", "T10", "T9", "T8"], ["L1", "T12", "T11", "T10"]),
        (["L3", "L2", "L1", "T12", "T11", "T10"], ["L1", "T12", "T11", "T10"]),
        (["L2", "L1", "T12", "T11"], ["L2", "L1", "T12", "T11"]),
        (["T9", "T8", "T7", "T6"], ["T9", "T8"]),
    ],
)
def test_the_lowest_of_the_levels_that_count(levels: list[str], expected: list[str]) -> None:
    chosen, warnings = choose_bodies(_train(*levels), LIMITS)
    assert _names(chosen) == expected
    assert warnings == ()


def test_bodies_without_a_name_are_taken_with_a_warning() -> None:
    chosen, warnings = choose_bodies(_train(None, None, None), LIMITS)
    assert len(chosen) == 3
    assert warnings == (Warn.LEVEL_UNCERTAIN,)


@pytest.mark.parametrize("levels", [["T7", "T6", "T5"], ["T7", None, "T5"], ["L4", "L3"]])
def test_other_levels_are_not_covered(levels: list[str | None]) -> None:
    with pytest.raises(Excluded) as refused:
        choose_bodies(_train(*levels), LIMITS)
    assert refused.value.reason is Reason.SPINE_NOT_COVERED


def test_bodies_without_a_name_above_the_lung_base_may_be_of_any_level() -> None:
    with pytest.raises(Excluded) as refused:
        choose_bodies(_train(None, None, None), LIMITS, shows_lung_base=False)
    assert refused.value.reason is Reason.SPINE_NOT_COVERED


def test_a_body_in_doubt_is_passed_over() -> None:
    bodies = _train("T12", "T11", "T10", "T9")
    bodies[1] = replace(bodies[1], confidence=0.0)
    assert _names(choose_bodies(bodies, LIMITS)[0]) == ["T12", "T10", "T9"]


def test_too_few_certain_bodies_are_implausible() -> None:
    bodies = [replace(body, confidence=0.1) for body in _train("T12", "T11", "T10")]
    with pytest.raises(Excluded) as refused:
        choose_bodies(bodies, LIMITS)
    assert refused.value.reason is Reason.IMPLAUSIBLE_ANATOMY


def test_a_compressed_body_is_passed_over_and_said_so() -> None:
    bodies = _train("T12", "T11", "T10", "T9", "T8")
    bodies[1] = replace(bodies[1], top_mm=bodies[1].z_mm + 7.0, bottom_mm=bodies[1].z_mm - 7.0)
    chosen, warnings = choose_bodies(bodies, LIMITS)
    assert _names(chosen) == ["T12", "T10", "T9", "T8"]
    assert warnings == (Warn.POSSIBLE_FRACTURE,)
    assert height_ratio(bodies[1], bodies) == pytest.approx(14.0 / 21.0)


def test_a_compressed_body_is_taken_when_there_is_no_other() -> None:
    bodies = _train("T12", "T11")
    bodies[0] = replace(bodies[0], top_mm=bodies[0].z_mm + 7.0, bottom_mm=bodies[0].z_mm - 7.0)
    chosen, warnings = choose_bodies(bodies, LIMITS)
    assert len(chosen) == 2
    assert warnings == (Warn.POSSIBLE_FRACTURE,)
