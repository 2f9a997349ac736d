"""The rendered crop: its truth can be measured in it, and it looks like a section through a body."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from tasks.phantom.crop import CROP_PIXEL_MM, CROP_SIDE, render_crop
from tasks.phantom.patient import MODEL_LEVELS, Patient, sample_patient
from tasks.phantom.scanner import Scanner, bone_factor, sample_scanner


def _whole(patient: Patient) -> Patient:
    """The patient without fractures and sclerosis, whose trabecular bone is even."""
    spine = tuple(
        replace(v, wedge=0.02, concavity_mm=1.0, sclerosis_hu=0.0, fractured=False) for v in patient.vertebrae
    )
    return replace(patient, vertebrae=spine)


def _still(seed: int, kvp: int = 120) -> Scanner:
    scanner = sample_scanner(np.random.default_rng(seed), kvp=kvp, kernel_kind="standard")
    return replace(scanner, offset_hu=0.0, noise_hu=15.0)


def _mean_in_body(crop: npt.NDArray[np.int16]) -> float:
    """Mean of a disc of 6 mm radius, 2 mm before the middle of the crop."""
    rows, columns = np.mgrid[:CROP_SIDE, :CROP_SIDE] - (CROP_SIDE - 1) / 2
    disc = np.hypot(rows + 2.0 / CROP_PIXEL_MM, columns) < 6.0 / CROP_PIXEL_MM
    return float(crop[disc].mean())


@pytest.mark.parametrize("density", [30.0, 90.0, 160.0, 290.0])
@pytest.mark.parametrize("kvp", [80, 100, 120, 140])
def test_attenuation_in_the_body_is_the_truth_at_the_tube_voltage(density: float, kvp: int) -> None:
    errors = []
    for seed in range(7):
        patient = _whole(sample_patient(np.random.default_rng(seed), density_hu=density))
        level = MODEL_LEVELS[seed]
        crop = render_crop(patient, level, _still(seed, kvp), np.random.default_rng(seed), jitter=0.0)
        errors.append(_mean_in_body(crop) - patient.vertebra(level).trabecular_hu * bone_factor(kvp))
    assert np.abs(errors).max() < 22.0
    assert abs(np.mean(errors)) < 8.0


def test_a_crop_is_what_the_model_reads_and_follows_from_its_seed() -> None:
    patient, scanner = sample_patient(np.random.default_rng(0)), _still(0)
    first, again, other = (
        render_crop(patient, "T10", scanner, np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    assert first.shape == (CROP_SIDE, CROP_SIDE) and first.dtype == np.int16
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("level", MODEL_LEVELS)
def test_tissues_have_their_attenuation(level: str) -> None:
    crops = [
        render_crop(
            sample_patient(np.random.default_rng(seed)), level, _still(seed), np.random.default_rng(seed)
        )
        for seed in range(8)
    ]
    hu = np.stack(crops)
    shares = {
        "air": np.mean(hu < -700),
        "fat": np.mean((hu > -160) & (hu < -60)),
        "soft": np.mean((hu > 0) & (hu < 90)),
        "cortex": np.mean(hu > 300),
    }
    assert shares["fat"] > 0.05 and shares["soft"] > 0.15 and 0.01 < shares["cortex"] < 0.2
    if level in ("T8", "T9", "T10"):
        assert shares["air"] > 0.1


def test_a_level_without_a_vertebra_is_refused() -> None:
    with pytest.raises(ValueError):
        render_crop(sample_patient(np.random.default_rng(0)), "S1", _still(0), np.random.default_rng(0))
