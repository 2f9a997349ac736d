"""Augmentation moves and blurs a picture but leaves its Hounsfield units true."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tasks.learn.augment import augment

BODY_HU, TISSUE_HU = 137.0, 40.0


def bodies(count: int) -> Tensor:
    """The same disc of bone, 35 mm across, in the same tissue, in every crop."""
    steps = torch.arange(224.0) - 111.5
    disc = torch.hypot(steps.reshape(-1, 1), steps.reshape(1, -1)) < 28
    image = torch.where(disc, BODY_HU, TISSUE_HU)
    return image.repeat(count, 1, 1)


def changed(hu: Tensor, seed: int, side: int = 224) -> Tensor:
    return augment(hu, side, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(5))
def test_attenuation_in_the_middle_of_the_body_stays(seed: int) -> None:
    middle = changed(bodies(8), seed)[:, 104:120, 104:120].mean((1, 2))
    # the standard error of the strongest noise over 16 x 16 pixels, half of it correlated, is about 4 HU
    assert float((middle - BODY_HU).abs().max()) < 12
    assert abs(float(middle.mean()) - BODY_HU) < 3


@pytest.mark.parametrize("side", [96, 160, 224])
def test_the_middle_is_kept_at_its_scale(side: int) -> None:
    result = changed(bodies(16), 1, side)
    assert result.shape == (16, side, side)
    area = ((result > (BODY_HU + TISSUE_HU) / 2).float()).sum((1, 2)).median()
    assert float(area) == pytest.approx(3.1416 * 28**2, rel=0.15)


def test_the_generator_is_the_only_source_of_chance() -> None:
    hu = bodies(4)
    torch.testing.assert_close(changed(hu, 3), changed(hu, 3), atol=0, rtol=0)
    assert not torch.equal(changed(hu, 3), changed(hu, 4))
    torch.testing.assert_close(hu, bodies(4), atol=0, rtol=0)


def test_bone_is_set_into_other_surroundings() -> None:
    """Crops of −500 HU all over but for the body, beside crops of +500: some must come out mixed."""
    hu = torch.full((32, 224, 224), 500.0)
    hu[::2] = -500.0
    result = changed(hu, 0)
    middle, edge = result[:, 108:116, 108:116].mean((1, 2)), result[:, 108:116, 20:28].mean((1, 2))
    mixed = (middle.sign() != edge.sign()).float().mean()
    assert 0.4 < float(mixed) < 0.95
    torch.testing.assert_close(middle.sign(), hu[:, 0, 0].sign())
