"""Drift in SQL: answers that were worked out by hand, or by the formula in Python."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from tasks.outcomes import Reason
from tasks.schema import ScreeningRow, Tier
from tests.rows import refused
from tests.sql.asking import ask, lake_of, study

SCANNER: dict[str, Any] = {"site": "north", "manufacturer": "SIEMENS", "scanner_model": "Force"}
MONTHS = {month: date(2025, month, 15) for month in range(1, 8)}


def picked(answer: Iterable[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in answer]


def test_drift_refusals(tmp_path: Path) -> None:
    def thick(uid: str, day: date | None, **values: Any) -> ScreeningRow:  # noqa: ANN401 - any column
        return refused(Reason.THICK_SLICES, study_uid=uid, study_date=day, **(SCANNER | values))

    rows = [
        *(study(f"a{n}", Tier.LOW, 0.1, study_date=MONTHS[1 + n % 3], **SCANNER) for n in range(3)),
        thick("b", MONTHS[3]),
        *(thick(f"c{n}", MONTHS[4]) for n in range(3)),
        refused(Reason.METAL, study_uid="d", study_date=MONTHS[4], **SCANNER),
        thick("undated", None),
        thick("other", MONTHS[7], scanner_model=None),
    ]
    answer = ask(lake_of(tmp_path, rows), "drift_refusals")
    ours, other = answer[:-1], answer[-1]
    columns = ("is_baseline", "reason", "studies", "month_studies", "baseline_studies", "change")
    # 3 of the 4 studies of the first three months were scored, 1 was too thick
    assert picked(ours, *columns) == [
        (True, None, 1, 1, 3, None),
        (True, None, 1, 1, 3, None),
        (True, "thick_slices", 1, 2, 1, None),
        (True, None, 1, 2, 3, None),
        (False, "thick_slices", 3, 4, 1, 0.5),
        (False, "metal", 1, 4, 0, 0.25),
        (False, "thick_slices", 1, 1, 1, None),
    ]
    assert {row["baseline_all_studies"] for row in ours} == {4}
    assert picked([ours[-1]], "month", "share", "baseline_share") == [(None, 1.0, 0.25)]
    # a scanner that the header does not name is a scanner of its own, with its own first months
    assert picked([other], "scanner_model", "month", "is_baseline") == [(None, date(2025, 7, 1), True)]


def test_drift_hu(tmp_path: Path) -> None:
    def measured(uid: str, day: date | None, hu: float, kvp: float | None, age: float) -> ScreeningRow:
        values: dict[str, Any] = {"trabecular_hu": hu, "kvp": kvp, "age_years": age}
        return study(uid, Tier.LOW, 0.1, study_date=day, **SCANNER, **values)

    rows = [
        *(measured(f"a{n}", MONTHS[1 + n], hu, 120.0, 60.0) for n, hu in enumerate((100.0, 110.0, 160.0))),
        *(measured(f"b{n}", MONTHS[5], hu, 120.0, 70.0) for n, hu in enumerate((80.0, 90.0))),
        measured("c", MONTHS[5], 140.0, 100.0, 70.0),
        measured("d", MONTHS[5], 150.0, None, 70.0),
        measured("undated", None, 10.0, 120.0, 70.0),
    ]
    answer = ask(lake_of(tmp_path, rows), "drift_hu")
    columns = ("kvp", "month", "is_baseline", "studies", "median_hu", "baseline_studies", "change_hu")
    may = date(2025, 5, 1)
    assert picked(answer, *columns) == [
        (100.0, may, True, 1, 140.0, 1, None),
        (120.0, date(2025, 1, 1), True, 1, 100.0, 3, None),
        (120.0, date(2025, 2, 1), True, 1, 110.0, 3, None),
        (120.0, date(2025, 3, 1), True, 1, 160.0, 3, None),
        (120.0, may, False, 2, 85.0, 3, -25.0),
        (None, may, True, 1, 150.0, 1, None),
    ]
    assert picked([answer[4]], "quartile_low_hu", "quartile_high_hu") == [(82.5, 87.5)]
    assert picked([answer[4]], "median_age_years", "baseline_median_age_years") == [(70.0, 60.0)]


BASELINE = np.linspace(0.1, 0.9, 30).tolist()


def scores(month: int, probabilities: Sequence[float], **values: Any) -> list[ScreeningRow]:  # noqa: ANN401
    return [
        study(f"{month}.{n}", Tier.LOW, float(value), study_date=MONTHS[month], **(SCANNER | values))
        for n, value in enumerate(probabilities)
    ]


def stability_index(here: Sequence[float], before: Sequence[float]) -> float:
    edges = np.quantile(before, [0.2, 0.4, 0.6, 0.8])
    counts = [np.bincount(np.searchsorted(edges, values), minlength=5) for values in (here, before)]
    shares = [(count + 0.5) / (count.sum() + 2.5) for count in counts]
    return sum(float((p - q) * log(p / q)) for p, q in zip(*shares, strict=True))


@pytest.mark.parametrize(
    ("here", "drifts"),
    [(BASELINE, False), ([value**2 for value in BASELINE[:25]], True), ([0.95] * 40, True)],
    ids=["the same", "lower", "all in the last fifth"],
)
def test_drift_scores(here: Sequence[float], drifts: bool, tmp_path: Path) -> None:
    rows = [*scores(1, BASELINE[:10]), *scores(3, BASELINE[10:]), *scores(6, here)]
    *first, last = ask(lake_of(tmp_path, rows), "drift_scores")
    assert picked(first, "is_baseline", "studies", "psi") == [(True, 10, None), (True, 20, None)]
    assert (last["is_baseline"], last["studies"], last["baseline_studies"]) == (False, len(here), 30)
    assert sum(last["bin_studies"]) == len(here)
    assert last["psi"] == pytest.approx(stability_index(here, BASELINE), abs=1e-4)
    assert last["psi_limit"] == pytest.approx(chi2.ppf(0.95, 4) * (1 / len(here) + 1 / 30), abs=1e-4)
    assert (last["psi"] > last["psi_limit"]) == drifts
    assert last["mean_probability"] == pytest.approx(np.mean(here), abs=1e-4)


def test_few_studies_have_no_index(tmp_path: Path) -> None:
    rows = [*scores(1, BASELINE), *scores(6, BASELINE[:24]), *scores(7, BASELINE, scanner_model="Flash")]
    answer = ask(lake_of(tmp_path, rows), "drift_scores")
    assert picked(answer, "scanner_model", "studies", "psi", "psi_limit") == [
        ("Flash", 30, None, None),
        ("Force", 30, None, None),
        ("Force", 24, None, None),
    ]


def test_another_model_is_no_drift(tmp_path: Path) -> None:
    rows = [*scores(1, BASELINE), *scores(6, [0.95] * 30, model_version="2")]
    answer = ask(lake_of(tmp_path, rows), "drift_scores")
    assert picked(answer, "model_version", "is_baseline", "psi") == [("1", True, None), ("2", True, None)]
