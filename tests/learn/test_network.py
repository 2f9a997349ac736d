"""The network: windows, the heatmap against autograd Grad-CAM, batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.learn.network import BONE, SOFT_TISSUE, WIDE, OsteoporosisNet, Window, build_network

CELLS = 49


@pytest.fixture(scope="module")
def network() -> OsteoporosisNet:
    """Untrained, but with running statistics that have seen crops, as a trained one's have."""
    network = build_network(seed=3)
    network.train()
    with torch.no_grad():
        for step in range(3):
            network(crops(step, 4))
    return network.eval()


def crops(seed: int, count: int) -> Tensor:
    """Soft tissue with a bright disc of random density, int16 HU, (count, 224, 224)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:224, :224] - 111.5
    disc = np.hypot(x, y) < 30
    images = random.normal(40, 30, (count, 224, 224)) + disc * random.uniform(0, 300, (count, 1, 1))
    return torch.from_numpy(images.astype(np.int16))


@pytest.mark.parametrize("seed", [0, 1])
def test_heatmap_is_the_grad_cam_of_the_logit(
    network: OsteoporosisNet, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grad-CAM as published (Selvaraju 2017), by backpropagation from the network's own logit."""
    kept: list[Tensor] = []
    inner = network.feature_map

    def keep(hu: Tensor) -> Tensor:
        kept.append(inner(hu))
        return kept[-1]

    monkeypatch.setattr(network, "feature_map", keep)
    output = network(crops(seed, 2))
    (activation,) = kept
    (gradient,) = torch.autograd.grad(output.logit.sum(), activation)
    grad_cam = (gradient.mean(dim=(2, 3), keepdim=True) * activation).sum(1)
    torch.testing.assert_close(output.heatmap, CELLS * grad_cam, atol=1e-4, rtol=0)
    assert output.heatmap.std() > 1e-3


def test_logit_is_the_mean_of_the_heatmap_and_the_bias(network: OsteoporosisNet) -> None:
    output = network(crops(2, 3))
    torch.testing.assert_close(
        output.logit[:, 0], output.heatmap.mean((1, 2)) + network.head.bias, atol=1e-4, rtol=0
    )


def test_shapes_and_types(network: OsteoporosisNet) -> None:
    logit, heatmap = network(crops(0, 2))
    assert (logit.shape, logit.dtype) == ((2, 1), torch.float32)
    assert (heatmap.shape, heatmap.dtype) == ((2, 7, 7), torch.float32)


def test_a_batch_gives_what_single_crops_give(network: OsteoporosisNet) -> None:
    hu = crops(5, 3)
    together = network(hu)
    for index in range(3):
        alone = network(hu[index : index + 1])
        torch.testing.assert_close(alone.logit[0], together.logit[index], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(alone.heatmap[0], together.heatmap[index], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("channel", "window"), list(enumerate([BONE, SOFT_TISSUE, WIDE])))
def test_windows_stretch_and_clip(network: OsteoporosisNet, channel: int, window: Window) -> None:
    middle = (window.lower_hu + window.upper_hu) / 2
    hu = torch.tensor([[-32768.0, window.lower_hu, middle, window.upper_hu, 32767.0]]).unsqueeze(0)
    values = network.windows(hu.to(torch.int16))[0, channel, 0]
    torch.testing.assert_close(values, torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0]))


def test_every_density_of_trabecular_bone_is_told_apart(network: OsteoporosisNet) -> None:
    """No HU between 0 and 400 is clipped away by all windows together."""
    hu = torch.arange(0, 401, dtype=torch.int16).reshape(1, 1, -1)
    steps = network.windows(hu)[0, :, 0].diff(dim=1)
    assert bool((steps.sum(0) > 0).all())


def test_the_seed_makes_the_weights_and_leaves_the_caller_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    first, second, other = build_network(1), build_network(1), build_network(2)
    torch.testing.assert_close(torch.rand(3), expected, atol=0, rtol=0)
    assert torch.equal(first.head.weight, second.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)
