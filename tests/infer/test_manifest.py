"""The manifest: read strictly, and only beside the weights that it describes."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.infer.manifest import Calibration, newest_version, read_manifest
from tasks.outcomes import ConfigurationError

WEIGHTS = b"weights"


def write(folder: Path, **changes: object) -> Path:
    version = folder / "osteoporosis_densenet121" / "1"
    version.mkdir(parents=True, exist_ok=True)
    (version / "model.onnx").write_bytes(WEIGHTS)
    content: dict[str, object] = {
        "name": "osteoporosis_densenet121",
        "version": "0.1.0",
        "label": "phantom-reference",
        "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        "calibration": {"temperature": 2.0, "bias": -0.5},
        "thresholds": {"high": 0.5},
        "intended_use": "not for clinical use",
        "metrics": {"auc": 0.9, "by_sex": {"F": 0.91}},
        "trained_at": "added by a later version of training",
    }
    (version / "manifest.json").write_text(json.dumps(content | changes))
    return version


def test_a_manifest_is_read_and_frozen(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path))
    assert (manifest.version, manifest.label) == ("0.1.0", "phantom-reference")
    assert manifest.calibration.probability(3.0) == pytest.approx(1 / (1 + math.exp(-1.0)))
    with pytest.raises(ValidationError):
        manifest.version = "2"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"name": "another"}, "another"),
        ({"version": ""}, "version"),
        ({"label": ""}, "label"),
        ({"sha256": "0" * 64}, "not the file"),
        ({"sha256": "abc"}, "sha256"),
        ({"calibration": {"temperature": 0.0}}, "temperature"),
        ({"calibration": {"temperature": 1.0, "bias": "NaN"}}, "bias"),
    ],
)
def test_a_manifest_that_cannot_be_trusted_is_refused(
    tmp_path: Path, changes: dict[str, object], word: str
) -> None:
    with pytest.raises(ConfigurationError, match=word):
        read_manifest(write(tmp_path, **changes))


@pytest.mark.parametrize("missing", ["manifest.json", "model.onnx"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    version = write(tmp_path)
    (version / missing).unlink()
    with pytest.raises(ConfigurationError, match=missing):
        read_manifest(version)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_probability_grows_with_the_logit_and_stays_a_probability(one: float, other: float) -> None:
    calibration = Calibration(temperature=1.7, bias=0.3)
    low, high = sorted((one, other))
    assert 0.0 <= calibration.probability(low) <= calibration.probability(high) <= 1.0


def test_the_highest_version_is_the_one_served(tmp_path: Path) -> None:
    model = tmp_path / "model"
    for name in ("2", "10", "notes"):
        (model / name).mkdir(parents=True)
    assert newest_version(model).name == "10"
    with pytest.raises(ConfigurationError):
        newest_version(tmp_path / "none")
