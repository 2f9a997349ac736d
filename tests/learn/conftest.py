"""A cohort small enough to train on in seconds, drawn without the generator."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.learn.cohort import Cohort


@pytest.fixture(scope="session")
def tiny_cohort() -> Cohort:
    """Forty patients, two crops each: a disc whose density alone decides the label."""
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(40), 2)
    density = np.repeat(random.permutation(np.linspace(30, 290, 40)), 2).astype(np.float32)
    y, x = np.mgrid[:224, :224] - 111.5
    disc = np.hypot(x, y) < 30
    tissue = random.normal(40, 15, (80, 224, 224))
    crops = np.where(disc, density[:, None, None] + tissue - 40, tissue).astype(np.int16)
    return Cohort(
        crops=crops,
        patient=patient,
        osteoporosis=density + np.repeat(random.normal(0, 20, 40), 2) < 130,
        trabecular_hu=density,
        split=np.digitize(patient, [24, 32]).astype(np.int8),
        fingerprint="a" * 64,
    )
