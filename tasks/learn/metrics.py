"""How good a score is on held-out patients, and the calibration that makes its logit a probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import spearmanr
from sklearn.metrics import brier_score_loss, f1_score, roc_auc_score

from tasks.infer.manifest import Calibration

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]

_BINS = 10
_RESAMPLES = 1000
_MAX_STEEPNESS = (
    20.0  # a temperature below 1/20 would mean separable data: then no probability can be learned
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Figures over one set of patients, after calibration.

    Attributes:
        auc_low, auc_high: 95 % interval, bootstrap over patients.
        sensitivity, specificity, f1: at the probability that makes the model's tier high.
        calibration_error: expected calibration error over ten equal bins of probability.
        density_rho: Spearman correlation of probability and mean trabecular HU of the patient's crops.
    """

    patients: int
    positives: int
    auc: float
    auc_low: float
    auc_high: float
    sensitivity: float
    specificity: float
    f1: float
    brier: float
    calibration_error: float
    density_rho: float


def probabilities(calibration: Calibration, logit: Floats) -> Floats:
    """Calibrated probabilities of patients' mean logits, any shape."""
    return np.asarray(expit(logit / calibration.temperature + calibration.bias), np.float64)


def by_patient(values: npt.ArrayLike, patient: npt.NDArray[np.int64]) -> Floats:
    """Mean of `values` over the crops of each patient, patients ascending."""
    _, index = np.unique(patient, return_inverse=True)
    sums = np.bincount(index, weights=np.asarray(values, np.float64))
    return np.asarray(sums / np.bincount(index), np.float64)


def calibrate(logit: Floats, label: Labels) -> Calibration:
    """Temperature and bias of greatest likelihood (Platt 1999) over held-out patients.

    Raises:
        ValueError: when only one class is present.
    """
    if label.all() or not label.any():
        raise ValueError("Calibration needs patients with and without osteoporosis.")
    sign = np.where(label, 1.0, -1.0)

    def loss(parameters: Floats) -> float:
        return float(np.logaddexp(0.0, -sign * (parameters[0] * logit + parameters[1])).mean())

    bounds = [(1.0 / _MAX_STEEPNESS, _MAX_STEEPNESS), (-_MAX_STEEPNESS, _MAX_STEEPNESS)]
    steepness, bias = minimize(loss, np.array([1.0, 0.0]), bounds=bounds).x
    return Calibration(temperature=float(1.0 / steepness), bias=float(bias))


def evidence(
    probability: Floats, label: Labels, trabecular_hu: Floats, *, threshold: float, seed: int = 0
) -> Evidence:
    """Figures over patients; every array has one entry a patient."""
    called = probability >= threshold
    low, high = _auc_interval(probability, label, seed)
    return Evidence(
        patients=len(label),
        positives=int(label.sum()),
        auc=float(roc_auc_score(label, probability)),
        auc_low=low,
        auc_high=high,
        sensitivity=float(called[label].mean()),
        specificity=float((~called[~label]).mean()),
        f1=float(f1_score(label, called)),
        brier=float(brier_score_loss(label, probability)),
        calibration_error=_calibration_error(probability, label),
        density_rho=float(spearmanr(probability, trabecular_hu).statistic),
    )


def _auc_interval(probability: Floats, label: Labels, seed: int) -> tuple[float, float]:
    random = np.random.default_rng(seed)
    found = []
    for _ in range(_RESAMPLES):
        drawn = random.integers(0, len(label), len(label))
        if 0 < label[drawn].sum() < len(label):
            found.append(roc_auc_score(label[drawn], probability[drawn]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _calibration_error(probability: Floats, label: Labels) -> float:
    bins = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(float(probability[bins == b].mean() - label[bins == b].mean())) * float((bins == b).mean())
        for b in np.unique(bins)
    ]
    return float(sum(gaps))
