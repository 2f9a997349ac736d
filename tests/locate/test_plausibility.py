from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.locate.anatomy import Body, Column
from tasks.locate.plausibility import BODY_CHECKS, STUDY_CHECKS, Findings, Sighting, judge_body, judge_study
from tasks.outcomes import Excluded, Reason


def _body(z_mm: float) -> Body:
    return Body(0.0, 0.0, z_mm, z_mm + 11.0, z_mm - 11.0, 36.0, 30.0, confidence=1.0)


def _seen(z_mm: float) -> Sighting:
    return Sighting(_body(z_mm), agreement=0.5, edge_hu=180.0, symmetry=0.8, core_hu=150.0)


def _column(*y_mm: float, evidence: float = 0.9) -> Column:
    many = len(y_mm)
    z_mm = tuple(10.0 * place for place in range(many))
    return Column(
        z_mm, tuple((0.0, y) for y in y_mm), ((0.0, 0.0),) * many, (18.0,) * many, (evidence,) * many
    )


SOUND = Findings(
    column=_column(*[20.0] * 12),
    range_mm=(0.0, 110.0),
    sightings=tuple(_seen(z) for z in (10.0, 40.0, 69.0, 97.0)),
    cues={"pedicle": 0.6, "waist": 0.5, "endplate": 0.2},
    margin=0.45,
)


def test_a_sound_spine_passes() -> None:
    judge_study(SOUND)
    assert judge_body(SOUND.sightings[0]) is None


@pytest.mark.parametrize(
    ("name", "reason", "broken"),
    [
        (
            "canal is a canal",
            Reason.SPINE_NOT_FOUND,
            replace(SOUND, column=_column(*[20.0] * 12, evidence=0.3)),
        ),
        (
            "canal is continuous",
            Reason.SPINE_NOT_FOUND,
            replace(SOUND, column=_column(*[20.0] * 6, *[45.0] * 6)),
        ),
        ("vertebrae are in phase", Reason.IMPLAUSIBLE_ANATOMY, replace(SOUND, margin=0.1)),
        (
            "pedicles are above foramina",
            Reason.IMPLAUSIBLE_ANATOMY,
            replace(SOUND, cues={**SOUND.cues, "pedicle": -0.3}),
        ),
        (
            "bodies have a waist",
            Reason.IMPLAUSIBLE_ANATOMY,
            replace(SOUND, cues={**SOUND.cues, "waist": -0.1}),
        ),
        (
            "bodies have endplates",
            Reason.IMPLAUSIBLE_ANATOMY,
            replace(SOUND, cues={**SOUND.cues, "endplate": 0.0}),
        ),
        (
            "neighbours are not too close",
            Reason.IMPLAUSIBLE_ANATOMY,
            replace(SOUND, sightings=(_seen(10.0), _seen(22.0))),
        ),
        (
            "neighbours are not too far apart",
            Reason.IMPLAUSIBLE_ANATOMY,
            replace(SOUND, sightings=(_seen(10.0), _seen(60.0))),
        ),
        (
            "spacing is regular",
            Reason.IMPLAUSIBLE_ANATOMY,
            replace(SOUND, sightings=(_seen(10.0), _seen(50.0), _seen(70.0))),
        ),
    ],
)
def test_each_row_of_the_study_table_refuses(name: str, reason: Reason, broken: Findings) -> None:
    assert name in {check.name for check in STUDY_CHECKS}
    with pytest.raises(Excluded, match=name) as refused:
        judge_study(broken)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("height", replace(_seen(0.0), body=replace(_body(0.0), top_mm=4.0, bottom_mm=-4.0))),
        ("width", replace(_seen(0.0), body=replace(_body(0.0), width_mm=70.0))),
        ("depth", replace(_seen(0.0), body=replace(_body(0.0), depth_mm=15.0))),
        ("shape", replace(_seen(0.0), body=replace(_body(0.0), width_mm=56.0, depth_mm=24.0))),
        ("cues", replace(_seen(0.0), agreement=0.0)),
        ("cortex", replace(_seen(0.0), edge_hu=20.0)),
        ("symmetry", replace(_seen(0.0), symmetry=0.1)),
        ("attenuation", replace(_seen(0.0), core_hu=700.0)),
    ],
)
def test_each_row_of_the_body_table_leaves_it_out(name: str, broken: Sighting) -> None:
    assert name in {check.name for check in BODY_CHECKS}
    assert str(judge_body(broken)).startswith(name)


def test_every_row_says_where_its_limits_come_from() -> None:
    for source, low, high in [
        *((check.source, check.low, check.high) for check in STUDY_CHECKS),
        *((check.source, check.low, check.high) for check in BODY_CHECKS),
    ]:
        assert source
        assert low < high
