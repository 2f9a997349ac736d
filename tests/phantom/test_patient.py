"""Generated patients: the label's mechanism, and anatomy within human range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tasks.phantom.patient import OSTEOPOROSIS_T_SCORE, Patient, sample_patient
from tasks.phantom.spine import DENSITY_RANGE_HU, LEVELS

COHORT = 2000


@pytest.fixture(scope="module")
def cohort() -> list[Patient]:
    rng = np.random.default_rng(1)
    return [sample_patient(rng) for _ in range(COHORT)]


@given(seed=st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_the_same_seed_gives_the_same_patient(seed: int) -> None:
    assert sample_patient(np.random.default_rng(seed)) == sample_patient(np.random.default_rng(seed))


def test_density_explains_most_of_the_label_and_never_all(cohort: list[Patient]) -> None:
    label = [patient.osteoporosis for patient in cohort]
    assert 0.75 < roc_auc_score(label, [-patient.density_hu for patient in cohort]) < 0.95
    assert 0.25 < np.mean(label) < 0.5


def test_muscle_goes_with_the_label_but_says_less_than_density(cohort: list[Patient]) -> None:
    label = [patient.osteoporosis for patient in cohort]
    for sign in ([-p.muscle_area_cm2 for p in cohort], [p.muscle_fat for p in cohort]):
        assert 0.55 < roc_auc_score(label, sign) < 0.75


def test_the_label_is_rarer_the_denser_the_bone(cohort: list[Patient]) -> None:
    density = np.array([patient.density_hu for patient in cohort])
    label = np.array([patient.osteoporosis for patient in cohort])
    shares = [label[(density >= low) & (density < low + 60)].mean() for low in range(20, 320, 60)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.8 and shares[-1] < 0.01


def test_the_label_is_the_t_score_at_its_threshold(cohort: list[Patient]) -> None:
    assert all(p.osteoporosis == (p.t_score <= OSTEOPOROSIS_T_SCORE) for p in cohort)


def test_every_density_is_in_the_cohort(cohort: list[Patient]) -> None:
    counts, _ = np.histogram([patient.density_hu for patient in cohort], 10, DENSITY_RANGE_HU)
    assert counts.min() >= COHORT * 0.03


@given(
    age=st.integers(20, 95),
    density=st.floats(*DENSITY_RANGE_HU),
    sex=st.sampled_from(["F", "M"]),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=40, deadline=None)
def test_what_is_given_is_kept_and_bodies_stack_without_touching(
    age: int, density: float, sex: str, seed: int
) -> None:
    patient = sample_patient(
        np.random.default_rng(seed), age_years=age, sex="F" if sex == "F" else "M", density_hu=density
    )
    assert (patient.age_years, patient.sex, patient.density_hu) == (age, sex, density)
    assert tuple(vertebra.level for vertebra in patient.vertebrae) == LEVELS
    for upper, lower in zip(patient.vertebrae, patient.vertebrae[1:], strict=False):
        assert upper.bottom_mm > lower.top_mm
    for vertebra in patient.vertebrae:
        assert 8.0 < vertebra.height_mm < 36.0
        assert DENSITY_RANGE_HU[0] <= vertebra.trabecular_hu <= DENSITY_RANGE_HU[1]


def test_a_level_that_no_one_has_is_refused() -> None:
    with pytest.raises(ValueError, match="S1"):
        sample_patient(np.random.default_rng(0)).vertebra("S1")
