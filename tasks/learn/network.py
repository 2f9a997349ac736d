"""`OsteoporosisNet`: Hounsfield units in, a logit and its own explanation out, in one forward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from monai.networks.nets.densenet import DenseNet121
from torch import Tensor, nn
from torch.nn import functional

FEATURES = 1024


@dataclass(frozen=True, slots=True)
class Window:
    """A display window of CT: HU from `lower_hu` to `upper_hu` become 0 to 1, the rest is clipped."""

    lower_hu: float
    upper_hu: float


# The three windows in which a radiologist reads a chest CT. Bone W1500/L300 and soft tissue W400/L40 are the
# presets in common use (Radiopaedia, 'Windowing (CT)'); the wide one spans air to cortical bone, so that the
# lung, the fat and the table are told apart where the other two are clipped.
BONE = Window(-450.0, 1050.0)
SOFT_TISSUE = Window(-160.0, 240.0)
WIDE = Window(-1000.0, 1000.0)
WINDOWS = (BONE, SOFT_TISSUE, WIDE)

# Windowed values are 0 to 1; they are brought to about zero mean and unit spread with ImageNet's grand mean
# and spread over its channels, which DenseNet's initialisation was made for.
_MEAN, _SPREAD = 0.449, 0.226


class Output(NamedTuple):
    """What one forward pass gives.

    Attributes:
        logit: FP32, shape (batch, 1); log-odds of osteoporosis before calibration.
        heatmap: FP32, shape (batch, 7, 7) for a crop of 224 × 224; see `OsteoporosisNet`.
    """

    logit: Tensor
    heatmap: Tensor


class OsteoporosisNet(nn.Module):
    """DenseNet-121 over three CT windows, with global average pooling and one linear layer as its head.

    The heatmap is the linear weights applied to the last feature map (after its normalisation and ReLU) at
    every cell: a 1 × 1 convolution. For a head of this form Grad-CAM needs no backward pass. Its channel
    weight is the mean gradient of the logit, here w / 49, so

        heatmap = 49 × Grad-CAM of the logit, before Grad-CAM's own ReLU,    and
        logit   = mean(heatmap) + bias.

    A cell is thus in units of the logit: positive where the picture speaks for osteoporosis, negative where
    it speaks against it.
    """

    def __init__(self) -> None:
        super().__init__()
        # The library's classification layers are left behind: they pool before the weights can be applied.
        self.features: nn.Sequential = DenseNet121(
            spatial_dims=2, in_channels=len(WINDOWS), out_channels=1
        ).features
        self.head = nn.Linear(FEATURES, 1)
        self.lower_hu: Tensor
        self.width_hu: Tensor
        self.register_buffer("lower_hu", _per_window([w.lower_hu for w in WINDOWS]), persistent=False)
        self.register_buffer(
            "width_hu", _per_window([w.upper_hu - w.lower_hu for w in WINDOWS]), persistent=False
        )

    def windows(self, hu: Tensor) -> Tensor:
        """HU of any real type, shape (batch, rows, columns), to FP32 (batch, 3, rows, columns), 0 to 1."""
        return ((hu.to(torch.float32).unsqueeze(1) - self.lower_hu) / self.width_hu).clamp(0.0, 1.0)

    def feature_map(self, hu: Tensor) -> Tensor:
        """The last feature map, not negative, shape (batch, 1024, rows / 32, columns / 32)."""
        features: Tensor = self.features((self.windows(hu) - _MEAN) / _SPREAD)
        return functional.relu(features)

    def forward(self, hu: Tensor) -> Output:
        """Score crops.

        Args:
            hu: Hounsfield units, INT16 in service, shape (batch, 224, 224), 0.625 mm a pixel, centred on the
                vertebral body, canonical frame (rows to the back, columns to the patient's left).
        """
        features = self.feature_map(hu).float()
        heatmap = functional.conv2d(features, self.head.weight[:, :, None, None]).squeeze(1)
        logit = self.head(features.mean(dim=(2, 3)))
        return Output(logit, heatmap)


def build_network(seed: int) -> OsteoporosisNet:
    """An untrained network; the same seed gives the same weights, and the caller's random state is kept."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return OsteoporosisNet()


def _per_window(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1)
