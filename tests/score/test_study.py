"""Scores follow the cut-offs of each level, and doubts travel with them."""

from __future__ import annotations

import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.infer.manifest import Calibration
from tasks.outcomes import Warn
from tasks.schema import Tier
from tasks.score.study import Measured, StudyScore, score_study
from tasks.settings import LevelCutoff, Scoring

SETTINGS = Scoring()
TRUSTED = "clinically-validated"


def spine(*hu: float, levels: str = "L1 T12 T11 T10", logit: float = 0.0) -> list[Measured]:
    """Vertebrae of these HU, from the lowest level up."""
    return [
        Measured(level, 0.9, value, value, logit) for level, value in zip(levels.split(), hu, strict=False)
    ]


def score(vertebrae: list[Measured], settings: Scoring = SETTINGS, label: str = TRUSTED) -> StudyScore:
    return score_study(vertebrae, Calibration(), settings, label)


@pytest.mark.parametrize(
    ("level", "hu", "tier"),
    [
        ("L1", 110.0, Tier.HIGH),
        ("L1", 110.1, Tier.INTERMEDIATE),
        ("L1", 160.0, Tier.INTERMEDIATE),
        ("L1", 160.1, Tier.LOW),
        ("T12", 85.7, Tier.HIGH),
        ("T12", 100.0, Tier.INTERMEDIATE),  # at L1 this would be high
        ("T12", 135.8, Tier.LOW),
        ("T11", 105.1, Tier.HIGH),
        ("T9", 146.7, Tier.INTERMEDIATE),
        ("T9", 146.8, Tier.LOW),
        ("L2", 110.0, Tier.HIGH),
        ("T5", 105.0, Tier.HIGH),
    ],
)
def test_each_level_has_its_own_cutoffs(level: str, hu: float, tier: Tier) -> None:
    result = score(spine(hu, levels=level))
    assert result.vertebrae[0].tier is tier
    assert result.attenuation_tier is tier


def test_a_name_that_is_not_trusted_gets_the_cutoffs_of_unknown() -> None:
    unsure = Measured("L1", 0.3, 108.0, 108.0, 0.0)
    result = score([unsure])
    assert result.vertebrae[0].cutoff.level == "unknown"
    assert result.attenuation_tier is Tier.INTERMEDIATE  # L1's cut-off would have said high
    assert Warn.LEVEL_UNCERTAIN in result.warnings


def test_the_median_margin_decides() -> None:
    # margins over the high cut-off: −10, −5.7, −5.1, +94.9, so the median is −5.4
    result = score(spine(100.0, 80.0, 100.0, 200.0))
    assert result.attenuation_margin_hu == pytest.approx(-5.4)
    assert result.attenuation_tier is Tier.HIGH
    assert result.trabecular_hu == 100.0


def test_hu_at_120_kvp_is_what_is_compared() -> None:
    scanned_at_100 = [Measured("L1", 0.9, 115.0, 109.0, 0.0)] * 3
    result = score(scanned_at_100)
    assert (result.attenuation_tier, result.trabecular_hu, result.trabecular_hu_120kvp) == (
        Tier.HIGH,
        115,
        109,
    )


def test_without_tube_voltage_the_hu_as_scanned_is_compared_and_says_so() -> None:
    result = score([Measured("L1", 0.9, 100.0, None, 0.0)] * 3)
    assert result.attenuation_tier is Tier.HIGH
    assert result.trabecular_hu_120kvp is None
    assert Warn.KVP_UNKNOWN in result.warnings


def test_probability_is_that_of_the_mean_logit_after_calibration() -> None:
    vertebrae = [Measured("L1", 0.9, 150.0, 150.0, logit) for logit in (0.0, 1.0, 5.0)]
    vertebrae.append(Measured("T10", 0.9, 150.0, 150.0, None))
    result = score_study(vertebrae, Calibration(temperature=2.0, bias=-1.0), SETTINGS, TRUSTED)
    assert result.logit_mean == 2.0
    assert result.probability == pytest.approx(0.5)  # sigmoid(2 / 2 − 1)
    assert result.probability_low == pytest.approx(1 / (1 + math.exp(1.0)))  # sigmoid(0 / 2 − 1)
    assert result.probability_high == pytest.approx(1 / (1 + math.exp(-1.5)))  # sigmoid(5 / 2 − 1)


@pytest.mark.parametrize(
    ("source", "tier"), [("attenuation", Tier.LOW), ("model", Tier.HIGH), ("either", Tier.HIGH)]
)
def test_the_tier_comes_from_where_settings_say(
    source: Literal["attenuation", "model", "either"], tier: Tier
) -> None:
    result = score(spine(250.0, 250.0, 250.0, logit=3.0), Scoring(tier_source=source))
    assert (result.attenuation_tier, result.model_tier, result.risk_tier) == (Tier.LOW, Tier.HIGH, tier)
    assert Warn.TIERS_DISAGREE in result.warnings


@pytest.mark.parametrize(
    ("vertebrae", "label", "expected"),
    [
        (spine(250, 250, 250, logit=-9), TRUSTED, set()),
        (spine(250, 250, logit=-9), TRUSTED, {Warn.FEW_VERTEBRAE}),
        (spine(250, 250, 189, logit=-9), TRUSTED, {Warn.VERTEBRAE_DISAGREE}),
        (spine(250, 250, 250, levels="T7 T6 T5", logit=-9), TRUSTED, {Warn.UPPER_LEVELS_ONLY}),
        (spine(250, 250, 250, logit=-9), "phantom-reference", {Warn.PHANTOM_REFERENCE}),
    ],
)
def test_doubts_come_with_the_score(vertebrae: list[Measured], label: str, expected: set[Warn]) -> None:
    assert set(score(vertebrae, label=label).warnings) == expected


def test_earlier_doubts_are_kept_once() -> None:
    given_ = [Warn.NOISY, Warn.FEW_VERTEBRAE, Warn.NOISY]
    result = score_study(spine(250, logit=-9), Calibration(), SETTINGS, TRUSTED, given_)
    assert result.warnings == (Warn.FEW_VERTEBRAE, Warn.NOISY)


def test_nothing_to_score_is_a_bug_not_a_score() -> None:
    with pytest.raises(ValueError, match="cannot be scored"):
        score([Measured("L1", 0.9, 100.0, 100.0, None)])


@given(st.lists(st.floats(-200, 500), min_size=1, max_size=4), st.floats(0, 100))
def test_denser_bone_is_never_more_urgent(hu: list[float], more: float) -> None:
    order = [Tier.HIGH, Tier.INTERMEDIATE, Tier.LOW]
    before, after = score(spine(*hu)), score(spine(*(value + more for value in hu)))
    assert order.index(after.attenuation_tier) >= order.index(before.attenuation_tier)


@given(st.floats(-1e6, 1e6), st.floats(0.05, 20), st.floats(-10, 10))
def test_a_probability_is_one_for_any_logit(logit: float, temperature: float, bias: float) -> None:
    assert 0.0 <= Calibration(temperature=temperature, bias=bias).probability(logit) <= 1.0


@pytest.mark.parametrize("values", [(0.0, 0.0), (-1.0, 0.0), (math.nan, 0.0), (1.0, math.inf)])
def test_a_calibration_that_cannot_be_is_refused(values: tuple[float, float]) -> None:
    temperature, bias = values
    with pytest.raises(ValueError, match="Calibration"):
        Calibration(temperature=temperature, bias=bias)


def test_settings_refuse_cutoffs_that_contradict_themselves() -> None:
    swapped = LevelCutoff(level="unknown", high_hu=160, intermediate_hu=110, source="test")
    with pytest.raises(ValidationError, match="high_hu"):
        Scoring(cutoffs=(swapped,))
    with pytest.raises(ValidationError, match="unknown"):
        Scoring(cutoffs=SETTINGS.cutoffs[:3])
    with pytest.raises(ValidationError, match="model_high"):
        Scoring(model_high=0.1)
