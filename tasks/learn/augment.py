"""Changes to a crop that leave its Hounsfield units true: pose, noise, sharpness, mirror, surroundings.

Brightness and contrast are never changed: in CT a pixel's value is the measurement.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_TURN_DEG = 8.0  # a patient lies a little turned
_SHIFT_PIXELS = 6.0  # localisation is good to about 4 mm
_SCALE = 0.06
_NOISE_HU = 25.0
_BLUR_PIXELS = 1.2
_SWAP_CHANCE = 0.7
_SWAP_RADIUS_PIXELS = (20.0, 64.0)  # 12 to 40 mm: from within the cortex to the transverse processes
_SWAP_EDGE_PIXELS = 5.0
_AIR_HU = -1000.0


def augment(hu: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """A changed copy of a batch, cut to its middle.

    Args:
        hu: float32 HU, shape (batch, 224, 224).
        side: rows and columns to keep about the centre; pixels keep their size.
        generator: the only source of chance.
    """
    hu = _swap_surroundings(hu, generator)
    hu = _move(hu, side, generator)
    hu = _blur(hu, generator)
    return _add_noise(hu, generator)


def _move(hu: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Turn, scale, shift and mirror each crop, in one interpolation."""
    batch, size = hu.shape[0], hu.shape[-1]
    turn = _signed(batch, generator) * math.radians(_TURN_DEG)
    scale = (1.0 + _signed(batch, generator) * _SCALE) * (side / size)
    mirror = torch.where(_signed(batch, generator) < 0, -1.0, 1.0)
    shift = torch.stack([_signed(batch, generator), _signed(batch, generator)], 1) * (
        2 * _SHIFT_PIXELS / size
    )
    cos, sin = turn.cos() * scale, turn.sin() * scale
    rows = [torch.stack([cos * mirror, -sin], 1), torch.stack([sin * mirror, cos], 1)]
    affine = torch.cat([torch.stack(rows, 1), shift.unsqueeze(2)], 2)
    grid = functional.affine_grid(affine, [batch, 1, side, side], align_corners=False)
    # shifted by air so that what lies outside the crop is air and not water
    moved = functional.grid_sample((hu - _AIR_HU).unsqueeze(1), grid, align_corners=False)
    return moved.squeeze(1) + _AIR_HU


def _blur(hu: Tensor, generator: torch.Generator) -> Tensor:
    """One Gaussian for each crop, up to `_BLUR_PIXELS` wide; half of the crops stay as they are."""
    sigma = (_signed(len(hu), generator) * _BLUR_PIXELS).clamp(min=0.05)
    offsets = torch.arange(-3.0, 4.0)
    kernel = torch.exp(-0.5 * (offsets / sigma.unsqueeze(1)) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).unsqueeze(1)
    batch = len(hu)
    across = functional.conv2d(
        functional.pad(hu.unsqueeze(0), (3, 3, 0, 0), mode="replicate"), kernel.unsqueeze(2), groups=batch
    )
    down = functional.conv2d(
        functional.pad(across, (0, 0, 3, 3), mode="replicate"), kernel.unsqueeze(3), groups=batch
    )
    return down.squeeze(0)


def _add_noise(hu: Tensor, generator: torch.Generator) -> Tensor:
    """White noise at half or full resolution, of a strength drawn for each crop; often almost none."""
    strength = (_signed(len(hu), generator) * _NOISE_HU).clamp(min=0.0).reshape(-1, 1, 1)
    side = hu.shape[-1]
    if torch.rand((), generator=generator) < 0.5:
        return hu + strength * torch.randn(hu.shape, generator=generator)
    coarse = torch.randn(len(hu), 1, side // 2, side // 2, generator=generator)
    grain = functional.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False).squeeze(1)
    return hu + strength * 1.5 * grain  # interpolation takes about a third of the spread


def _swap_surroundings(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Set trabecular bone, or the whole body, into another patient, so that nothing else stands for it."""
    batch, size = hu.shape[0], hu.shape[-1]
    chosen = (torch.rand(batch, generator=generator) < _SWAP_CHANCE).float().reshape(-1, 1, 1)
    low, high = _SWAP_RADIUS_PIXELS
    radius = low + (high - low) * torch.rand(batch, 1, 1, generator=generator)
    steps = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    distance = torch.hypot(steps.reshape(1, -1, 1), steps.reshape(1, 1, -1))
    outside = ((distance - radius) / _SWAP_EDGE_PIXELS + 0.5).clamp(0.0, 1.0) * chosen
    return hu + outside * (hu.roll(1, 0) - hu)


def _signed(batch: int, generator: torch.Generator) -> Tensor:
    """Even over −1 to 1, one for each crop."""
    return torch.rand(batch, generator=generator) * 2.0 - 1.0
