"""Calibration and figures, against answers known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.learn.metrics import Floats, Labels, by_patient, calibrate, evidence, probabilities


def drawn(temperature: float, bias: float, count: int = 20_000) -> tuple[Floats, Labels]:
    """Logits, and labels drawn with the probabilities that temperature and bias make of them."""
    random = np.random.default_rng(0)
    logit = random.normal(0.0, 3.0, count)
    return logit, random.random(count) < 1 / (1 + np.exp(-(logit / temperature + bias)))


@pytest.mark.parametrize(("temperature", "bias"), [(1.0, 0.0), (2.5, -1.0), (0.6, 0.8)])
def test_calibration_finds_the_law_that_drew_the_labels(temperature: float, bias: float) -> None:
    found = calibrate(*drawn(temperature, bias))
    assert found.temperature == pytest.approx(temperature, rel=0.08)
    assert found.bias == pytest.approx(bias, abs=0.08)


def test_calibrated_probabilities_agree_with_what_happened() -> None:
    logit, label = drawn(3.0, -0.5)
    raw = evidence(1 / (1 + np.exp(-logit)), label, -logit, threshold=0.5)
    mended = evidence(probabilities(calibrate(logit, label), logit), label, -logit, threshold=0.5)
    assert mended.calibration_error < 0.02 < raw.calibration_error
    assert mended.auc == pytest.approx(raw.auc)


def test_one_class_cannot_be_calibrated() -> None:
    with pytest.raises(ValueError, match="with and without"):
        calibrate(np.zeros(4), np.ones(4, np.bool_))


def test_separable_patients_still_give_a_finite_calibration() -> None:
    found = calibrate(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([False, False, True, True]))
    assert 0 < found.temperature < 100
    assert abs(found.bias) <= 20


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-10, 10)), min_size=1))
def test_a_patient_has_the_mean_of_its_crops(crops: list[tuple[int, float]]) -> None:
    patient = np.array([number for number, _ in crops])
    values = np.array([value for _, value in crops])
    expected = [values[patient == number].mean() for number in sorted(set(patient.tolist()))]
    np.testing.assert_allclose(by_patient(values, patient), expected, atol=1e-9)


def test_figures_of_a_small_table() -> None:
    """Two of three found, one of three called wrongly: 2/3, 2/3, F1 = 2·2/(3+3); AUC 8 of 9 pairs."""
    probability = np.array([0.9, 0.8, 0.3, 0.7, 0.2, 0.1])
    label = np.array([True, True, True, False, False, False])
    found = evidence(probability, label, np.array([40.0, 60, 140, 100, 180, 260]), threshold=0.5)
    assert (found.patients, found.positives) == (6, 3)
    assert found.sensitivity == pytest.approx(2 / 3)
    assert found.specificity == pytest.approx(2 / 3)
    assert found.f1 == pytest.approx(2 / 3)
    assert found.auc == pytest.approx(8 / 9)
    assert found.auc_low < found.auc < found.auc_high
    assert found.density_rho == pytest.approx(-1.0)
