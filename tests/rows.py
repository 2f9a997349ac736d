"""Valid rows for tests; any field can be replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from tasks.outcomes import Outcome, Reason
from tasks.schema import ScreeningRow, Tier, VertebraRow

_SCORED = ScreeningRow(
    run_id="run-1",
    screened_at=datetime(2026, 1, 10, 3, 0, tzinfo=UTC),
    patient_key="p1",
    study_uid="1.2.3",
    content_key="c1",
    series_uid="1.2.3.1",
    study_date=date(2026, 1, 9),
    outcome=Outcome.SCORED,
    model_name="osteoporosis_densenet121",
    model_version="1",
    model_label="phantom-reference",
    pipeline_version="0.1.0",
    probability=0.42,
    probability_low=0.3,
    probability_high=0.6,
    logit_mean=-0.3,
    risk_tier=Tier.INTERMEDIATE,
    attenuation_tier=Tier.INTERMEDIATE,
    model_tier=Tier.INTERMEDIATE,
    attenuation_margin_hu=20.0,
    trabecular_hu=125.0,
    trabecular_hu_120kvp=125.0,
    levels=("L1", "T12"),
)
_VERTEBRA = VertebraRow(
    study_uid="1.2.3",
    series_uid="1.2.3.1",
    content_key="c1",
    model_version="1",
    pipeline_version="0.1.0",
    position=0,
    level="L1",
    level_confidence=0.9,
    x_mm=1.0,
    y_mm=2.0,
    z_mm=-100.0,
    trabecular_hu=125.0,
    trabecular_hu_120kvp=125.0,
    logit=-0.3,
)


def scored(**values: Any) -> ScreeningRow:  # noqa: ANN401 - any column
    """A scored study."""
    return replace(_SCORED, **values)


def refused(reason: Reason = Reason.THICK_SLICES, **values: Any) -> ScreeningRow:  # noqa: ANN401
    """A study that ended with `reason`."""
    empty: dict[str, Any] = dict.fromkeys(
        (
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
        )
    )
    return replace(_SCORED, **{**empty, "levels": (), "outcome": reason.outcome, "reason": reason, **values})


def vertebra(**values: Any) -> VertebraRow:  # noqa: ANN401 - any column
    """A measured vertebra of the scored study."""
    return replace(_VERTEBRA, **values)
