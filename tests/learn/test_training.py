"""Training learns, gives the same weights twice, and goes on where it was interrupted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.learn.cohort import Cohort
from tasks.learn.network import OsteoporosisNet
from tasks.learn.training import CheckpointError, Stage, Step, TrainingPlan, train

PLAN = TrainingPlan(
    seed=5,
    stages=(Stage(32, 8, 8, 1e-3), Stage(64, 4, 8, 5e-4)),
    average_decay=0.8,
    checkpoint_steps=3,
)


class Interrupted(Exception):  # noqa: N818 - stands for a kill, not for an error
    pass


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def trained(tiny_cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> OsteoporosisNet:
    return train(tiny_cohort, PLAN, tmp_path_factory.mktemp("whole"))


def same(first: OsteoporosisNet, second: OsteoporosisNet) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_the_same_plan_gives_the_same_weights(
    tiny_cohort: Cohort, trained: OsteoporosisNet, tmp_path: Path
) -> None:
    assert same(trained, train(tiny_cohort, PLAN, tmp_path))


@pytest.mark.parametrize("stop", [2, 10])
def test_interrupted_training_ends_with_the_same_weights(
    tiny_cohort: Cohort, trained: OsteoporosisNet, tmp_path: Path, stop: int
) -> None:
    """Killed before the first checkpoint, and in the second stage."""

    def kill(step: Step) -> None:
        if step.step == stop:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(tiny_cohort, PLAN, tmp_path, watch=kill)
    steps: list[Step] = []
    resumed = train(tiny_cohort, PLAN, tmp_path, watch=steps.append)
    assert steps[0].step == stop // PLAN.checkpoint_steps * PLAN.checkpoint_steps + 1
    assert same(trained, resumed)


def test_another_seed_gives_other_weights(
    tiny_cohort: Cohort, trained: OsteoporosisNet, tmp_path: Path
) -> None:
    assert not same(trained, train(tiny_cohort, replace(PLAN, seed=6), tmp_path))


def test_a_checkpoint_of_another_plan_or_cohort_is_refused(tiny_cohort: Cohort, tmp_path: Path) -> None:
    short = replace(PLAN, stages=(Stage(32, 1, 4, 1e-3),))
    train(tiny_cohort, short, tmp_path)
    with pytest.raises(CheckpointError):
        train(tiny_cohort, replace(short, seed=9), tmp_path)
    with pytest.raises(CheckpointError):
        train(replace(tiny_cohort, fingerprint="b" * 64), short, tmp_path)


def test_loss_falls_and_steps_are_told(tiny_cohort: Cohort, tmp_path: Path) -> None:
    steps: list[Step] = []
    plan = replace(PLAN, stages=(Stage(64, 25, 8, 2e-3),), checkpoint_steps=25)
    train(tiny_cohort, plan, tmp_path, watch=steps.append)
    losses = [step.label_loss + step.density_loss for step in steps]
    assert np.mean(losses[-6:]) < 0.7 * np.mean(losses[:3])
    assert [step.step for step in steps] == list(range(1, 26))
    assert steps[-1].seconds_left == 0
    assert all(step.crops_per_s > 0 for step in steps)


@pytest.mark.parametrize(("side", "batch"), [(0, 8), (40, 8), (256, 8), (224, 7), (224, 0)])
def test_a_stage_that_cannot_be_trained_cannot_be_written_down(side: int, batch: int) -> None:
    with pytest.raises(ValueError, match="is not"):
        Stage(side, 10, batch, 1e-3)


def test_the_rate_rises_then_falls_in_every_stage() -> None:
    plan = replace(PLAN, stages=(Stage(32, 100, 8, 1e-3), Stage(64, 50, 8, 5e-4)))
    rates = [plan.at(step)[1] for step in range(plan.steps)]
    for part, peak in ((rates[:100], 1e-3), (rates[100:], 5e-4)):
        top = int(np.argmax(part))
        assert part[top] == pytest.approx(peak, rel=0.05)
        assert part[:top] == sorted(part[:top])
        assert part[top:] == sorted(part[top:], reverse=True)
        assert part[-1] < 0.05 * peak
    with pytest.raises(IndexError):
        plan.at(plan.steps)
