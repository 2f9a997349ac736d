"""`score_study`: measurements and logits of a study's vertebrae → probability, tiers, and doubts.

The study's attenuation tier comes from margins, not from HU: each vertebra is compared with the cut-offs of
its own level, and the median over the vertebrae decides. A median of HU against one cut-off would depend on
which levels a scan happened to cover.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from tasks.infer.manifest import Calibration
from tasks.outcomes import Warn
from tasks.schema import Tier
from tasks.settings import LevelCutoff, Scoring

PHANTOM_REFERENCE = "phantom-reference"  # the label of weights that were trained on generated images alone
_UPPER_LEVELS = frozenset(f"T{number}" for number in range(1, 8))
_SEVERITY = {Tier.HIGH: 0, Tier.INTERMEDIATE: 1, Tier.LOW: 2}


@dataclass(frozen=True, slots=True)
class Measured:
    """What scoring needs of one vertebra.

    Attributes:
        level: T1 to L5, or None when it cannot be told.
        level_confidence: 0 to 1.
        trabecular_hu: mean of the trabecular region of interest, HU as scanned.
        trabecular_hu_120kvp: the same at 120 kVp; None when the tube voltage is not known.
        logit: the model's; None when the model was not asked about this vertebra.
    """

    level: str | None
    level_confidence: float
    trabecular_hu: float
    trabecular_hu_120kvp: float | None
    logit: float | None

    @property
    def compared_hu(self) -> float:
        """The HU to hold against cut-offs: at 120 kVp where that is known, else as scanned."""
        return self.trabecular_hu if self.trabecular_hu_120kvp is None else self.trabecular_hu_120kvp


@dataclass(frozen=True, slots=True)
class VertebraScore:
    """One vertebra against the cut-offs of its level."""

    cutoff: LevelCutoff
    margin_hu: float
    tier: Tier


@dataclass(frozen=True, slots=True)
class StudyScore:
    """The score of one study.

    Attributes:
        probability: calibrated, of the mean logit.
        probability_low, probability_high: calibrated, of the lowest and highest single logit.
        attenuation_margin_hu: median over vertebrae of HU above the level's high-risk cut-off.
        trabecular_hu, trabecular_hu_120kvp: medians over vertebrae; the latter None without a tube voltage.
        vertebrae: in the order given.
        warnings: the doubts given and those found here, each once.
    """

    probability: float
    probability_low: float
    probability_high: float
    logit_mean: float
    risk_tier: Tier
    attenuation_tier: Tier
    model_tier: Tier
    attenuation_margin_hu: float
    trabecular_hu: float
    trabecular_hu_120kvp: float | None
    vertebrae: tuple[VertebraScore, ...]
    warnings: tuple[Warn, ...]


def score_study(
    vertebrae: Sequence[Measured],
    calibration: Calibration,
    settings: Scoring,
    model_label: str,
    warnings: Iterable[Warn] = (),
) -> StudyScore:
    """Score a study from its vertebrae.

    Args:
        vertebrae: at least one, at least one of them with a logit.
        model_label: what the weights are; `phantom-reference` brings its warning.
        warnings: doubts that the steps before have found.

    Raises:
        ValueError: when there is nothing to score.
    """
    logits = [vertebra.logit for vertebra in vertebrae if vertebra.logit is not None]
    if not logits:
        raise ValueError("a study without a vertebra that the model has seen cannot be scored")
    scores = tuple(_score_vertebra(vertebra, settings) for vertebra in vertebrae)
    probability = calibration.probability(fmean(logits))
    attenuation_tier = _attenuation_tier(vertebrae, scores)
    model_tier = _model_tier(probability, settings)
    converted = [item.trabecular_hu_120kvp for item in vertebrae if item.trabecular_hu_120kvp is not None]
    found = _doubts(vertebrae, settings, model_label)
    if model_tier is not attenuation_tier:
        found.add(Warn.TIERS_DISAGREE)
    found.update(warnings)
    return StudyScore(
        probability=probability,
        probability_low=calibration.probability(min(logits)),
        probability_high=calibration.probability(max(logits)),
        logit_mean=fmean(logits),
        risk_tier=_risk_tier(attenuation_tier, model_tier, settings),
        attenuation_tier=attenuation_tier,
        model_tier=model_tier,
        attenuation_margin_hu=median(score.margin_hu for score in scores),
        trabecular_hu=median(vertebra.trabecular_hu for vertebra in vertebrae),
        trabecular_hu_120kvp=median(converted) if converted else None,
        vertebrae=scores,
        warnings=tuple(word for word in Warn if word in found),
    )


def _score_vertebra(vertebra: Measured, settings: Scoring) -> VertebraScore:
    cutoff = settings.cutoff(vertebra.level, vertebra.level_confidence)
    over_high = vertebra.compared_hu - cutoff.high_hu
    over_intermediate = vertebra.compared_hu - cutoff.intermediate_hu
    return VertebraScore(cutoff, over_high, _tier_of_margins(over_high, over_intermediate))


def _attenuation_tier(vertebrae: Sequence[Measured], scores: Sequence[VertebraScore]) -> Tier:
    """High when the median vertebra lies at or below its level's high cut-off, and so on."""
    over_intermediate = [
        vertebra.compared_hu - score.cutoff.intermediate_hu
        for vertebra, score in zip(vertebrae, scores, strict=True)
    ]
    return _tier_of_margins(median(score.margin_hu for score in scores), median(over_intermediate))


def _tier_of_margins(over_high_hu: float, over_intermediate_hu: float) -> Tier:
    if over_high_hu <= 0:
        return Tier.HIGH
    return Tier.INTERMEDIATE if over_intermediate_hu <= 0 else Tier.LOW


def _model_tier(probability: float, settings: Scoring) -> Tier:
    if probability >= settings.model_high:
        return Tier.HIGH
    return Tier.INTERMEDIATE if probability >= settings.model_intermediate else Tier.LOW


def _risk_tier(attenuation: Tier, model: Tier, settings: Scoring) -> Tier:
    if settings.tier_source == "either":
        return min(attenuation, model, key=_SEVERITY.__getitem__)
    return model if settings.tier_source == "model" else attenuation


def _doubts(vertebrae: Sequence[Measured], settings: Scoring, model_label: str) -> set[Warn]:
    """Doubts about the vertebrae taken together, and about the weights."""
    middle = median(vertebra.compared_hu for vertebra in vertebrae)
    spread = max(abs(vertebra.compared_hu - middle) for vertebra in vertebrae)
    unsure = any(
        vertebra.level is None or vertebra.level_confidence < settings.min_level_confidence
        for vertebra in vertebrae
    )
    rules = {
        Warn.LEVEL_UNCERTAIN: unsure,
        Warn.UPPER_LEVELS_ONLY: all(vertebra.level in _UPPER_LEVELS for vertebra in vertebrae),
        Warn.FEW_VERTEBRAE: len(vertebrae) < settings.min_vertebrae,
        Warn.KVP_UNKNOWN: any(vertebra.trabecular_hu_120kvp is None for vertebra in vertebrae),
        Warn.VERTEBRAE_DISAGREE: spread > settings.max_vertebra_deviation_hu,
        Warn.PHANTOM_REFERENCE: model_label == PHANTOM_REFERENCE,
    }
    return {word for word, holds in rules.items() if holds}
