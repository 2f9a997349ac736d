"""Weights from a cohort: generate → train → export → calibrate → describe: `python -m flows.training`.

Plain functions and no Prefect: training is one long computation on one machine that keeps its own checkpoint.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from tasks.infer.manifest import WEIGHTS_FILE, Manifest
from tasks.learn.cohort import Split, load_cohort
from tasks.learn.export import export_onnx
from tasks.learn.reference import (
    REFERENCE_SEED,
    reference_cohort,
    reference_training,
    score_patients,
    write_manifest,
)
from tasks.learn.training import Step, train

REFERENCE_FOLDER = Path("triton_models/osteoporosis_densenet121/1")
SCRATCH = Path(".scratch/training")
_CHECKED = 32  # crops on which the exported file must agree with the network
_LINE_EVERY_S = 20.0  # where the output is a file and a bar would be noise


def train_reference(
    out: Path = REFERENCE_FOLDER,
    seed: int = REFERENCE_SEED,
    *,
    scratch: Path = SCRATCH,
    threads: int | None = None,
    show: bool = True,
) -> Manifest:
    """Train the reference weights and write `model.onnx` and `manifest.json` into `out`.

    Interrupted, it goes on from its checkpoint in `scratch` when it is started again.

    Args:
        out: version folder of a model in a Triton repository.
        scratch: folder for the generated crops (about 0.9 GB) and the checkpoint.
        threads: cores to use; default all.
        show: print progress.
    """
    cores = threads or os.cpu_count() or 1
    torch.set_num_threads(cores)
    plan = reference_training(seed)
    with TrainingProgress(show=show) as progress:
        cohort = load_cohort(reference_cohort(seed), scratch, processes=cores, progress=progress.rendered)
        network = train(cohort, plan, scratch / f"seed-{seed}", watch=progress.learned)
    weights = out / WEIGHTS_FILE
    sha256 = export_onnx(network, weights, check=cohort.crops[cohort.of(Split.CALIBRATION)[:_CHECKED]])
    return write_manifest(
        out,
        sha256=sha256,
        cohort=cohort,
        plan=plan,
        calibration_set=score_patients(weights, cohort, Split.CALIBRATION, threads=cores),
        test_set=score_patients(weights, cohort, Split.TEST, threads=cores),
        command=f"python -m flows.training --seed {seed}",
        source_commit=_source_commit(),
    )


def _source_commit() -> str:
    """The commit that is checked out, or nothing where there is no git: the generator is code too."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip()


class TrainingProgress:
    """One live line: patients generated, then steps, losses, pace and time left. A context manager."""

    def __init__(self, *, show: bool = True) -> None:
        self._console = Console(stderr=True, quiet=not show)
        self._line_s = time.monotonic()
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[detail]}"),
            console=self._console,
            disable=not (show and self._console.is_terminal),
        )
        self._task = self._bar.add_task("generating", total=1, detail="")

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def rendered(self, done: int, total: int) -> None:
        """So many patients of the cohort are drawn."""
        self._show("generating", done, total, "patients")

    def learned(self, step: Step) -> None:
        """A step of training is done."""
        self._show(
            "training",
            step.step,
            step.steps,
            f"{step.side} px  label {step.label_loss:.3f}  density {step.density_loss:.3f}  "
            f"{step.crops_per_s:.0f} crops/s  {step.seconds_left / 60:.0f} min left",
        )

    def _show(self, what: str, done: int, total: int, detail: str) -> None:
        self._bar.update(self._task, description=what, completed=done, total=total, detail=detail)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._line_s > _LINE_EVERY_S:
            self._line_s = now
            self._console.print(f"{what} {done}/{total}  {detail}")


def main(
    out: Annotated[Path, typer.Option(help="Version folder of a model.")] = REFERENCE_FOLDER,
    seed: Annotated[int, typer.Option(help="Seed of cohort, weights and order.")] = REFERENCE_SEED,
    scratch: Annotated[Path, typer.Option(help="Folder for crops and checkpoint.")] = SCRATCH,
    threads: Annotated[int | None, typer.Option(help="Cores to use; default all.")] = None,
) -> None:
    """Train the reference weights on a generated cohort."""
    manifest = train_reference(out, seed, scratch=scratch, threads=threads)
    Console().print_json(data=manifest.model_dump(mode="json"))


if __name__ == "__main__":
    typer.run(main)
