"""What a model is, beside its weights: `manifest.json` in the folder of the version, written by training.

No score leaves without the version and the label that stand here, and none is made with weights that are not
the ones described.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from tasks.outcomes import ConfigurationError

MANIFEST_FILE = "manifest.json"
WEIGHTS_FILE = "model.onnx"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Calibration(_Part):
    """From a patient's mean logit to a probability (temperature scaling with a shift, fitted in training)."""

    temperature: float = Field(1.0, gt=0)
    bias: float = 0.0

    def probability(self, logit: float) -> float:
        """1 / (1 + exp(−(logit / temperature + bias))), without overflow."""
        shifted = logit / self.temperature + self.bias
        if shifted >= 0:
            return 1.0 / (1.0 + math.exp(-shifted))
        return math.exp(shifted) / (1.0 + math.exp(shifted))


class Manifest(_Part):
    """One version of a model.

    Attributes:
        name: model name in the Triton repository.
        version: version of the weights; goes into every row as `model_version`.
        label: what the weights are, such as `phantom-reference`; shown wherever a score is.
        sha256: of the file `model.onnx`.
        calibration: from logit to probability.
        thresholds: named probabilities, such as those of the tiers, as training chose them.
        intended_use: for whom and for what, in words.
        metrics: evidence from validation, as training wrote it.
    """

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    label: str = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    calibration: Calibration
    thresholds: dict[str, float] = {}
    intended_use: str = ""
    metrics: dict[str, JsonValue] = {}


def read_manifest(folder: Path, *, verify: bool = True) -> Manifest:
    """The manifest of a version folder, such as `triton_models/osteoporosis_densenet121/1`.

    Args:
        folder: holds `manifest.json` and `model.onnx`.
        verify: compare the hash of the weights with the manifest's.

    Raises:
        ConfigurationError: when a file is missing, the manifest is malformed or the weights are others.
    """
    where = f"{folder.parent.name}/{folder.name}"
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"{MANIFEST_FILE} of model {where} cannot be read: {error.strerror}."
        ) from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise ConfigurationError(f"{MANIFEST_FILE} of model {where} cannot be used: {problems}.") from None
    if manifest.name != folder.parent.name:
        raise ConfigurationError(
            f"{MANIFEST_FILE} of model {where} describes another model, {manifest.name!r}."
        )
    if verify and _sha256(folder / WEIGHTS_FILE, where) != manifest.sha256:
        raise ConfigurationError(
            f"{WEIGHTS_FILE} of model {where} is not the file that its manifest describes: restore it, or "
            "export the model again."
        )
    return manifest


def newest_version(model: Path) -> Path:
    """The version folder that Triton serves by default: the highest number.

    Raises:
        ConfigurationError: when the model has none.
    """
    versions = [path for path in model.glob("*") if path.is_dir() and path.name.isdigit()]
    if not versions:
        raise ConfigurationError(f"Model {model.name!r} has no version in the repository.")
    return max(versions, key=lambda path: int(path.name))


def _sha256(path: Path, where: str) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(
            f"{WEIGHTS_FILE} of model {where} cannot be read: {error.strerror}."
        ) from None
