"""Scores of held-out patients and the manifest that is written from them; the long computation, in little."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from flows import training
from flows.training import TrainingProgress, train_reference
from tasks.infer.manifest import read_manifest
from tasks.learn.cohort import Cohort, CohortPlan, Split
from tasks.learn.export import export_onnx
from tasks.learn.metrics import probabilities
from tasks.learn.network import build_network
from tasks.learn.reference import PatientScores, score_patients, write_manifest
from tasks.learn.training import Stage, Step, TrainingPlan

PLAN = TrainingPlan(seed=1, stages=(Stage(32, 2, 4, 1e-3),))


def scores(seed: int) -> PatientScores:
    """Two hundred patients whose logits follow their density, and whose labels follow both with error."""
    random = np.random.default_rng(seed)
    density = random.uniform(30, 300, 200)
    label = density + random.normal(0, 30, 200) < 110
    return PatientScores((110 - density) / 20 + random.normal(0, 1, 200), label, density)


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A version folder with untrained weights in it."""
    folder = tmp_path / "osteoporosis_densenet121" / "7"
    export_onnx(build_network(1), folder / "model.onnx")
    return folder


def test_patients_get_the_mean_logit_of_their_crops(tiny_cohort: Cohort, version: Path) -> None:
    found = score_patients(version / "model.onnx", tiny_cohort, Split.TEST)
    assert found.logit.shape == found.osteoporosis.shape == found.trabecular_hu.shape == (8,)
    np.testing.assert_allclose(found.trabecular_hu, tiny_cohort.trabecular_hu[64::2], rtol=1e-6)
    np.testing.assert_array_equal(found.osteoporosis, tiny_cohort.osteoporosis[64::2])
    assert np.isfinite(found.logit).all()


def test_the_manifest_is_read_back_and_its_calibration_fits(tiny_cohort: Cohort, version: Path) -> None:
    sha256 = export_onnx(build_network(1), version / "model.onnx")
    calibration_set = scores(0)
    written = write_manifest(
        version,
        sha256=sha256,
        cohort=tiny_cohort,
        plan=PLAN,
        calibration_set=calibration_set,
        test_set=scores(1),
        command="train",
        source_commit="c0ffee",
    )
    assert read_manifest(version) == written
    assert (written.name, written.version) == ("osteoporosis_densenet121", "7")
    mean = probabilities(written.calibration, calibration_set.logit).mean()
    assert mean == pytest.approx(calibration_set.osteoporosis.mean(), abs=0.01)
    document = json.loads((version / "manifest.json").read_text())
    assert document["label"] == "phantom-reference"
    assert "Not for clinical use" in document["intended_use"]
    assert document["data"]["fingerprint_sha256"] == tiny_cohort.fingerprint
    assert document["source_commit"] == "c0ffee"
    assert document["data"]["crops"] == {"train": 48, "calibration": 16, "test": 16}
    assert document["training_plan"]["stages"][0]["side"] == 32
    assert document["metrics"]["patients"] == 200
    assert 0.8 < document["metrics"]["auc"] <= 1.0
    assert not [path for path in version.iterdir() if path.name.startswith(".")]


def test_the_whole_way_from_a_seed_to_a_version_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "reference_cohort", lambda _: CohortPlan(2, 48, 1))
    monkeypatch.setattr(training, "reference_training", lambda _: PLAN)
    out = tmp_path / "osteoporosis_densenet121" / "1"
    manifest = train_reference(out, 2, scratch=tmp_path / "scratch", threads=1, show=False)
    assert read_manifest(out) == manifest


def test_progress_is_told_in_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_LINE_EVERY_S", -1.0)
    with TrainingProgress() as progress:
        progress.rendered(3, 12)
        progress.learned(Step(5, 20, 96, 0.5, 0.25, 40.0, 120.0))
    lines = capsys.readouterr().err
    assert "generating 3/12" in lines
    assert "training 5/20" in lines
    assert "2 min left" in lines
