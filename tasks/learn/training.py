"""Trains the network on a cohort: seeded, resumable at every checkpoint, the same on every run.

One logit learns from two targets: the patient's label (binary cross-entropy), and the log-odds of that label
given the trabecular density of the vertebra in the crop (a regression). The second keeps the network to the
mechanism, where a small cohort could be told apart by whatever else differs, and keeps the logit straight in
density where the label alone would let it saturate.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from tasks.files import replacing
from tasks.infer.crop import CROP_PIXELS
from tasks.learn.augment import augment
from tasks.learn.cohort import Cohort, Split
from tasks.learn.metrics import calibrate
from tasks.learn.network import OsteoporosisNet, build_network
from tasks.outcomes import OsteoscreenError

# Roughly the mean and spread of trabecular HU in a cohort, so that the odds are fitted on numbers near 1.
_DENSITY_CENTRE_HU, _DENSITY_UNIT_HU = 140.0, 60.0
# The regression's errors are counted in this many units of the logit, beyond which they count linearly.
_ODDS_UNIT = 2.0
_WARM_UP = 0.15  # part of a stage in which the learning rate rises (one-cycle, Smith 2018)
_FLOOR = 0.02  # last learning rate of a stage, as a part of its peak
_MAX_GRADIENT_NORM = 5.0
_PACE_UPDATE = 0.1  # of a step's speed in the average from which the time left is told


class CheckpointError(OsteoscreenError):
    """A checkpoint belongs to another plan or another cohort."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training at one size of crop.

    Attributes:
        side: rows and columns about the centre that are kept, a multiple of 32 up to 224.
        batch: crops in a step, an even number: half of them with osteoporosis.
        peak_rate: highest learning rate.

    Raises:
        ValueError: when side or batch is none of these.
    """

    side: int
    steps: int
    batch: int
    peak_rate: float

    def __post_init__(self) -> None:
        if self.side % 32 or not 32 <= self.side <= CROP_PIXELS:
            raise ValueError(f"side {self.side} is not a multiple of 32 up to {CROP_PIXELS}")
        if self.batch < 2 or self.batch % 2:
            raise ValueError(f"batch {self.batch} is not an even number")


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Everything that decides the weights, besides the cohort.

    Attributes:
        density_weight: weight of the regression on density's odds beside the label's loss.
        average_decay: of the moving average of the weights; the average is what is exported.
        checkpoint_steps: steps between checkpoints.
        bf16: convolutions in bfloat16; about twice as fast on processors that have it.
    """

    seed: int
    stages: tuple[Stage, ...]
    weight_decay: float = 0.02
    density_weight: float = 1.0
    average_decay: float = 0.99
    checkpoint_steps: int = 50
    bf16: bool = True

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def at(self, step: int) -> tuple[Stage, float]:
        """The stage and the learning rate of a step."""
        for stage in self.stages:
            if step < stage.steps:
                return stage, stage.peak_rate * _one_cycle(step / stage.steps)
            step -= stage.steps
        raise IndexError("The plan has fewer steps.")


@dataclass(frozen=True, slots=True)
class Step:
    """How training stands after a step; losses are of that step's batch, speed is of the last ten or so."""

    step: int
    steps: int
    side: int
    label_loss: float
    density_loss: float
    crops_per_s: float
    seconds_left: float


Watch = Callable[[Step], None]


def train(cohort: Cohort, plan: TrainingPlan, home: Path, *, watch: Watch | None = None) -> OsteoporosisNet:
    """Train, or go on where `home` holds a checkpoint of the same plan and cohort.

    Args:
        home: folder of the checkpoint, made if need be.
        watch: told of every step.

    Returns:
        The network with averaged weights, in evaluation mode.

    Raises:
        CheckpointError: when `home` holds the checkpoint of another plan or cohort.
    """
    learner = _Learner(plan)
    home.mkdir(parents=True, exist_ok=True)
    checkpoint = home / "checkpoint.pt"
    identity = f"{plan} {cohort.fingerprint}"
    first = learner.restore(checkpoint, identity) if checkpoint.is_file() else 0
    sampler = _Sampler(cohort, plan.seed)
    pace = 0.0
    for step in range(first, plan.steps):
        began = time.perf_counter()
        stage, rate = plan.at(step)
        losses = learner.learn(sampler.batch(step, stage), rate)
        if (step + 1) % plan.checkpoint_steps == 0 or step + 1 == plan.steps:
            learner.save(checkpoint, identity, step + 1)
        seconds = time.perf_counter() - began
        latest = seconds / (stage.batch * stage.side**2)
        pace = latest if step == first else pace + _PACE_UPDATE * (latest - pace)
        if watch:
            watch(_progress(plan, step, losses, pace))
    return learner.averaged()


@dataclass(frozen=True, slots=True)
class _Batch:
    hu: Tensor
    label: Tensor
    odds: Tensor


class _Sampler:
    """Batches by step: what a step sees follows from seed and number alone, so training can resume."""

    def __init__(self, cohort: Cohort, seed: int) -> None:
        self._cohort = cohort
        self._seed = seed
        train = cohort.of(Split.TRAIN)
        positive = cohort.osteoporosis[train]
        self._classes = (train[positive], train[~positive])
        sparse = (_DENSITY_CENTRE_HU - cohort.trabecular_hu.astype(np.float64)) / _DENSITY_UNIT_HU
        fit = calibrate(sparse[train], positive)
        self._odds = sparse / fit.temperature + fit.bias

    def batch(self, step: int, stage: Stage) -> _Batch:
        """As many crops with as without osteoporosis, changed by chance."""
        random = np.random.default_rng([self._seed, step])
        half = stage.batch // 2
        drawn = [random.choice(numbers, half, replace=len(numbers) < half) for numbers in self._classes]
        numbers: npt.NDArray[np.int64] = random.permutation(np.concatenate(drawn))
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        crops = torch.from_numpy(self._cohort.crops[np.sort(numbers)][np.argsort(np.argsort(numbers))])
        return _Batch(
            hu=augment(crops.float(), stage.side, generator),
            label=torch.from_numpy(self._cohort.osteoporosis[numbers]).float(),
            odds=torch.from_numpy(self._odds[numbers]).float(),
        )


class _Learner:
    """The network under training, with its optimiser and its average."""

    def __init__(self, plan: TrainingPlan) -> None:
        self._plan = plan
        self._network = build_network(plan.seed)
        for weight in self._network.parameters():
            if weight.ndim == 4:  # channels together in memory: twice as fast on a processor
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        self._average = AveragedModel(self._network, avg_fn=self._mix, use_buffers=True)
        self._optimiser = torch.optim.AdamW(self._network.parameters(), weight_decay=plan.weight_decay)

    def _mix(self, average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        decay = min(self._plan.average_decay, (1 + int(count)) / (10 + int(count)))
        return (
            average + (current - average) * (1.0 - decay) if average.is_floating_point() else current.clone()
        )

    def learn(self, batch: _Batch, rate: float) -> tuple[float, float]:
        """One step; returns the label's and the density's loss."""
        self._network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=self._plan.bf16):
            features = self._network.feature_map(batch.hu)
        logit = self._network.head(features.float().mean(dim=(2, 3))).squeeze(1)
        label_loss = functional.binary_cross_entropy_with_logits(logit, batch.label)
        density_loss = functional.smooth_l1_loss(logit / _ODDS_UNIT, batch.odds / _ODDS_UNIT)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad()
        torch.autograd.backward(label_loss + self._plan.density_weight * density_loss)
        nn.utils.clip_grad_norm_(self._network.parameters(), _MAX_GRADIENT_NORM)
        self._optimiser.step()
        self._average.update_parameters(self._network)
        return label_loss.item(), density_loss.item()

    def save(self, path: Path, identity: str, steps: int) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "identity": identity,
            "steps": steps,
            "model": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }
        with replacing(path) as draft:
            torch.save(state, draft)

    def restore(self, path: Path, identity: str) -> int:
        """Take a checkpoint up; returns the steps it has done."""
        state = torch.load(path, weights_only=True)
        if state["identity"] != identity:
            raise CheckpointError("The checkpoint belongs to another plan or cohort: choose an empty folder.")
        self._network.load_state_dict(state["model"])
        self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        return int(state["steps"])

    def averaged(self) -> OsteoporosisNet:
        """The averaged network alone."""
        network = OsteoporosisNet()
        network.load_state_dict(self._average.module.state_dict())
        return network.eval()


def _one_cycle(part: float) -> float:
    """Learning rate as a part of its peak: up in a line, down along a cosine."""
    if part < _WARM_UP:
        return max(part / _WARM_UP, _FLOOR)
    return _FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * (part - _WARM_UP) / (1 - _WARM_UP)))


def _progress(plan: TrainingPlan, step: int, losses: tuple[float, float], pace: float) -> Step:
    """Where training stands; `pace` is in seconds a pixel, which is about the same in all stages."""
    stage, _ = plan.at(step)
    done, pixels_left = step + 1, 0
    for later in plan.stages:
        pixels_left += max(later.steps - max(done, 0), 0) * later.batch * later.side**2
        done -= later.steps
    return Step(
        step=step + 1,
        steps=plan.steps,
        side=stage.side,
        label_loss=losses[0],
        density_loss=losses[1],
        crops_per_s=1.0 / (pace * stage.side**2),
        seconds_left=pixels_left * pace,
    )
