"""One study scored by a new model version, from what an earlier one left: no archive, no slices, two steps.

Measurements are those of the earlier rows, and nothing counts as read; a refusal is carried over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from flows.findings import Again, Bench, Work
from flows.study import lost_study, screen_study, where_it_broke
from tasks.explain.seen import Seen, draw_seen
from tasks.files import DiskFullError
from tasks.infer.prediction import Prediction
from tasks.outcomes import ConfigurationError, Excluded, Failed, Outcome, Reason, StudyEnded, Warn
from tasks.publish.crops import crops_path, read_crops
from tasks.publish.result import StudyResult
from tasks.schema import ScreeningRow, VertebraRow
from tasks.score.study import Measured, StudyScore, score_study

# Doubts that a score brings along by itself, and another model need not share.
_OF_THE_MODEL = frozenset({Warn.TIERS_DISAGREE, Warn.PHANTOM_REFERENCE})
_COSTS = ("slices_read", "bytes_read", "seconds_read")
_NUMBERS = (
    "probability",
    "probability_low",
    "probability_high",
    "logit_mean",
    "risk_tier",
    "attenuation_tier",
    "model_tier",
    "attenuation_margin_hu",
    "trabecular_hu",
    "trabecular_hu_120kvp",
    "muscle_area_cm2",
    "muscle_hu",
    "smi_cm2_m2",
    "aorta_hu",
    "seconds_infer",
    "explain_path",
)
"""What stands in the row of no study that was not scored."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is known of such a study so far; each step returns a fuller one."""

    seen: Seen
    prediction: Prediction | None = None
    seconds_infer: float | None = None
    score: StudyScore | None = None


def work_on(bench: Bench, item: Work | Again) -> StudyResult:
    """Screen a study, or only score it again; raises and returns as `screen_study`."""
    return rescore_study(bench, item) if isinstance(item, Again) else screen_study(bench, item)


def lost(bench: Bench, item: Work | Again, detail: str) -> StudyResult:
    """The result of a study whose workers died each time."""
    if isinstance(item, Work):
        return lost_study(bench, item, detail)
    return _ended(bench, item, Failed(Reason.WORKER_LOST, detail), 0.0)


def rescore_study(bench: Bench, again: Again) -> StudyResult:
    """Score one study again.

    Returns:
        Its rows; never an exception for what was kept of it.

    Raises:
        ConfigurationError: when the model that answers is not the one configured, which ends the run.
        DiskFullError: when there is no room for the study's picture, which ends the run too.
    """
    started_s = time.monotonic()
    if again.is_known:
        return _ended(bench, again, Excluded(Reason.KNOWN_OSTEOPOROSIS), 0.0)
    if again.earlier.screening.outcome != Outcome.SCORED:
        return replace(again.earlier, screening=replace(_renewed(bench, again), seconds_total=0.0))
    try:
        recalled = _recall(bench, again)
        for step in STEPS:
            recalled = step(bench, again, recalled)
        return _scored(bench, again, recalled, time.monotonic() - started_s)
    except StudyEnded as ended:
        end = ended
    except (ConfigurationError, DiskFullError):
        raise
    except Exception as error:  # noqa: BLE001 - a bug met in one study must not take the run along
        end = Failed(Reason.INTERNAL_ERROR, where_it_broke(error))
    return _ended(bench, again, end, time.monotonic() - started_s)


def _recall(bench: Bench, again: Again) -> Recalled:
    """The kept crops; damaged ones are removed, so that the next night asks the archive instead."""
    seen = read_crops(bench.lake, again.key)
    if seen is None or len(seen.regions) != len(again.earlier.vertebrae):
        crops_path(bench.lake, again.key).unlink(missing_ok=True)
        raise Failed(Reason.ARCHIVE_UNAVAILABLE, "its kept crops cannot be read")
    return Recalled(seen)


def _infer(bench: Bench, _again: Again, recalled: Recalled) -> Recalled:
    started_s = time.monotonic()
    with bench.client.crops(len(recalled.seen.crops)) as slot:
        slot.pixels[...] = recalled.seen.crops
        prediction = bench.client.infer(slot)
    return replace(recalled, prediction=prediction, seconds_infer=time.monotonic() - started_s)


def _score(bench: Bench, again: Again, recalled: Recalled) -> Recalled:
    assert recalled.prediction is not None  # noqa: S101 - the step before left it
    measured = [
        _measured(row, float(logit))
        for row, logit in zip(again.earlier.vertebrae, recalled.prediction.logits, strict=True)
    ]
    doubts = [Warn(word) for word in again.earlier.screening.warnings if word not in _OF_THE_MODEL]
    manifest = bench.manifest
    score = score_study(measured, manifest.calibration, bench.settings.scoring, manifest.label, doubts)
    return replace(recalled, score=score)


STEPS: tuple[Callable[[Bench, Again, Recalled], Recalled], ...] = (_infer, _score)
"""What is left of the night's steps once crops and measurements are there."""


def _measured(row: VertebraRow, logit: float) -> Measured:
    assert row.trabecular_hu is not None  # noqa: S101 - rows of a scored study
    return Measured(
        row.level, row.level_confidence or 0.0, row.trabecular_hu, row.trabecular_hu_120kvp, logit
    )


def _scored(bench: Bench, again: Again, recalled: Recalled, seconds_total: float) -> StudyResult:
    """The rows of the earlier model with this one's score, and the picture drawn from them."""
    score, prediction = recalled.score, recalled.prediction
    assert score is not None and prediction is not None  # noqa: S101 - the steps left them
    vertebrae = tuple(
        replace(row, model_version=again.key.model_version, attenuation_tier=item.tier, logit=float(logit))
        for row, item, logit in zip(again.earlier.vertebrae, score.vertebrae, prediction.logits, strict=True)
    )
    screening = replace(
        _renewed(bench, again),
        probability=score.probability,
        probability_low=score.probability_low,
        probability_high=score.probability_high,
        logit_mean=score.logit_mean,
        risk_tier=score.risk_tier,
        attenuation_tier=score.attenuation_tier,
        model_tier=score.model_tier,
        warnings=score.warnings,
        seconds_infer=recalled.seconds_infer,
        seconds_total=seconds_total,
        explain_path=bench.lake.picture_path(again.key) if bench.settings.keep_pictures else None,
    )
    if bench.settings.keep_pictures:
        drawn = draw_seen(screening, vertebrae, recalled.seen, prediction.heatmaps)
        bench.lake.write_picture(again.key, drawn)
    return replace(again.earlier, screening=screening, vertebrae=vertebrae)


def _renewed(bench: Bench, again: Again) -> ScreeningRow:
    """The earlier row as one of this run and model; nothing was read for it."""
    earlier = again.earlier.screening
    nothing_read: dict[str, Any] = {name: 0 for name in _COSTS if getattr(earlier, name) is not None}
    return replace(
        earlier,
        run_id=bench.run_id,
        screened_at=datetime.now(UTC),
        model_name=bench.manifest.name,
        model_version=again.key.model_version,
        model_label=bench.manifest.label,
        superseded_at=None,
        **nothing_read,
    )


def _ended(bench: Bench, again: Again, end: StudyEnded, seconds_total: float) -> StudyResult:
    """The row of a study that is not scored."""
    empty: dict[str, Any] = dict.fromkeys(_NUMBERS)
    screening = replace(
        _renewed(bench, again),
        **empty | {"levels": (), "warnings": ()},
        outcome=end.reason.outcome,
        reason=end.reason,
        detail=end.detail or None,
        seconds_total=seconds_total,
    )
    return StudyResult(screening, series=again.earlier.series)
