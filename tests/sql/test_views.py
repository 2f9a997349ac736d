"""Reviews, sites and patients in SQL: answers that were worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from scipy.stats import binomtest

from tasks.outcomes import Reason
from tasks.publish.lake import Lake
from tasks.schema import Decision, ScreeningRow, Tier
from tests.rows import refused
from tests.sql.asking import ask, lake_of, review, study

SCANNER = {"manufacturer": "SIEMENS", "scanner_model": "Force", "kvp": 120.0, "kernel": "Br40"}


def test_review_outcomes(lake: Lake) -> None:
    # of the high ones 6 was referred 6 h after its screening, 7 is put off, 8 has been screened again since
    columns = ("risk_tier", "decision", "is_settled", "studies", "tier_studies", "settled_in_tier")
    answer = ask(lake, "review_outcomes")
    assert [tuple(row[name] for name in columns) for row in answer] == [
        ("high", None, False, 5, 7, 1),
        ("high", "later", False, 1, 7, 1),
        ("high", "refer_dxa", True, 1, 7, 1),
        ("intermediate", None, False, 1, 1, 0),
        ("low", None, False, 1, 1, 0),
    ]
    referred = answer[2]
    assert referred["share_of_tier"] == pytest.approx(1 / 7, abs=1e-4)
    assert (referred["share_of_settled"], referred["median_hours_to_decision"]) == (1.0, 6.0)
    assert [row["share_of_settled"] for row in answer if not row["is_settled"]] == [None] * 4


def test_what_is_not_settled_is_the_worklist(lake: Lake) -> None:
    still_open = sum(row["studies"] for row in ask(lake, "review_outcomes") if not row["is_settled"])
    assert still_open == len(ask(lake, "worklist"))


def test_yield_by_site(tmp_path: Path) -> None:
    tiers = [Tier.HIGH] * 2 + [Tier.INTERMEDIATE] + [Tier.LOW] * 5
    north = [
        study(f"n{number}", tier, 0.5, site="north", patient_key=f"p{number // 2}")
        for number, tier in enumerate(tiers)
    ]
    others = [
        refused(Reason.THICK_SLICES, study_uid="n8", site="north"),
        refused(Reason.UNREADABLE_FILE, study_uid="n9", site="north", study_date=None),
        refused(Reason.THICK_SLICES, study_uid="s", site="south"),
        study("u", Tier.HIGH, 0.5, site=None),
    ]
    reviews = [
        review("n0", Decision.REFER_DXA, 9),
        review("n1", Decision.NO_ACTION, 9),
        review("n2", Decision.LATER, 9),
        review("n3", Decision.REFER_DXA, 1),  # before it was screened: of an earlier score
        review("n8", Decision.REFER_DXA, 9),  # what was scored once, and no longer is
    ]
    first, south, unknown = ask(lake_of(tmp_path, [*north, *others], reviews), "yield_by_site")

    assert (first["site"], first["studies"], first["patients"]) == ("north", 10, 4)
    assert (first["scored"], first["excluded"], first["failed"]) == (8, 1, 1)
    assert (first["high"], first["intermediate"], first["low"]) == (2, 1, 5)
    assert (first["share_scored"], first["share_high"]) == (0.8, 0.25)
    for share, successes, of in (("share_scored", 8, 10), ("share_high", 2, 8)):
        limits = binomtest(successes, of).proportion_ci(method="wilson")
        assert first[f"{share}_from"] == pytest.approx(limits.low, abs=1e-4)
        assert first[f"{share}_to"] == pytest.approx(limits.high, abs=1e-4)
    assert (first["settled"], first["referred"], first["share_referred"]) == (2, 1, 0.5)

    assert (south["site"], south["scored"], south["share_scored_from"]) == ("south", 0, 0.0)
    assert (south["share_high"], south["share_high_from"], south["share_high_to"]) == (None, None, None)
    assert (unknown["site"], unknown["share_scored"], unknown["share_high_to"]) == (None, 1.0, 1.0)
    assert unknown["model_labels"] == ["validated here"]


def seen(uid: str, day: date | None, hu: float, **values: object) -> ScreeningRow:
    row = study(uid, Tier.LOW, 0.1, study_date=day, trabecular_hu_120kvp=hu, slice_thickness_mm=1.0)
    return replace(row, **{**SCANNER, **values})  # type: ignore[arg-type]


def test_patient_history(tmp_path: Path) -> None:
    rows = [
        seen("late", date(2026, 1, 1), 90.0, levels=("T12", "L1")),
        seen("early", date(2025, 1, 1), 100.0),
        refused(Reason.THICK_SLICES, study_uid="between", study_date=date(2025, 6, 1)),
        seen("undated", None, 50.0),
        seen("stranger", date(2025, 3, 1), 200.0, patient_key="p2"),
    ]
    answer = ask(lake_of(tmp_path, rows), "patient_history")
    assert [(row["study_uid"], row["study_number"], row["patient_studies"]) for row in answer] == [
        ("early", 1, 4),
        ("between", 2, 4),
        ("late", 3, 4),
        ("undated", 4, 4),
        ("stranger", 1, 1),
    ]
    early, between, late, undated, stranger = answer
    assert (late["previous_study_uid"], late["days_since_previous"]) == ("early", 365)
    assert (late["is_comparable"], late["change_hu_120kvp"]) == (True, -10.0)
    for row in (early, between, undated, stranger):
        assert (row["previous_study_uid"], row["is_comparable"], row["change_hu_120kvp"]) == (None,) * 3


@pytest.mark.parametrize(
    "values",
    [
        {"kernel": "Br64"},
        {"kernel": None},
        {"kvp": 100.0},
        {"scanner_model": "Flash"},
        {"slice_thickness_mm": 3.0},
        {"levels": ("L1",)},
        {"levels": ("?", "?")},
        {"pipeline_version": "2"},
    ],
    ids=str,
)
def test_what_was_measured_otherwise_is_not_subtracted(values: dict[str, object], tmp_path: Path) -> None:
    rows = [seen("1", date(2025, 1, 1), 100.0), seen("2", date(2026, 1, 1), 90.0, **values)]
    _, second = ask(lake_of(tmp_path, rows), "patient_history")
    assert (second["previous_hu_120kvp"], second["is_comparable"]) == (100.0, False)
    assert second["change_hu_120kvp"] is None


def test_levels_that_cannot_be_told_are_never_the_same(tmp_path: Path) -> None:
    days = (date(2025, 1, 1), date(2026, 1, 1))
    rows = [seen(str(day.year), day, 100.0, levels=("?", "?")) for day in days]
    assert [row["is_comparable"] for row in ask(lake_of(tmp_path, rows), "patient_history")] == [None, False]
