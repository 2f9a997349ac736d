"""Every study can be explained in words, however it ended."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.explain.words import explain_words, headline, level_words
from tasks.outcomes import Reason, Warn
from tests.explain.scene import scene
from tests.publish.results import moment
from tests.rows import refused, scored, vertebra


def test_a_scored_study() -> None:
    row, views = scene([100.0, 80.0, 100.0], [0.0, 1.0, 2.0], [Warn.NOISY])
    told = explain_words(row, [view.row for view in views])
    for part in (
        "Risk tier: high",
        "median 100 HU at 120 kVp, 6 HU below the high-risk cut-off of its levels",
        "probability of osteoporosis 0.73 (single vertebrae 0.50 to 0.88)",
        "not for clinical use",
        Warn.NOISY.sentence,
        "does not rule out",
    ):
        assert part in told
    lines = told.splitlines()
    levels = [line.split()[0] for line in lines if line.startswith(("T", "L")) and line[1].isdigit()]
    assert levels == ["T11", "T12", "L1"], "as in the body, the highest on top"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_told_with_its_sentence(reason: Reason) -> None:
    told = explain_words(refused(reason, detail="8.0 mm"), [])
    assert f"{reason} – {reason.sentence}" in told
    assert "8.0 mm" in told
    assert ("tried again by the next run" in told) == reason.is_transient
    assert "Risk tier" not in told


def test_what_is_not_known_is_left_out() -> None:
    told = explain_words(refused(), [])
    assert "kVp" not in told
    assert "None" not in told
    assert "nan" not in told


def test_circumstances_are_told() -> None:
    row = scored(kvp=100.0, kernel="B30f", slices_total=248, slices_read=60, superseded_at=moment(9))
    told = explain_words(row, [])
    for part in ("100 kVp", "kernel B30f", "60 of 248 slices", "Superseded: 2026-01-10 09:00 UTC"):
        assert part in told


def test_no_patient_data() -> None:
    row = scored(patient_key="secret-key", age_years=71.5, site="St. Elsewhere")
    told = explain_words(row, [vertebra()])
    assert "secret-key" not in told
    assert "71" not in told


def test_hu_as_scanned_is_called_so() -> None:
    assert "120 HU as scanned, 10 HU above" in headline(
        scored(trabecular_hu=120.0, trabecular_hu_120kvp=None, attenuation_margin_hu=10.0)
    )
    assert headline(refused()) == "No attenuation was measured."


@pytest.mark.parametrize(
    ("level", "confidence", "shown"), [("L1", 0.9, "L1"), ("L1", 0.2, "L1?"), (None, None, "#1")]
)
def test_levels(level: str | None, confidence: float | None, shown: str) -> None:
    assert level_words(vertebra(level=level, level_confidence=confidence)) == shown


def test_what_the_archive_no_longer_holds_is_said() -> None:
    gone = datetime(2026, 2, 1, 3, tzinfo=UTC)
    assert "holds the study no longer, missed since 2026-02-01" in explain_words(
        scored(archive_gone_at=gone), []
    )
    assert "no longer" not in explain_words(scored(), [])
