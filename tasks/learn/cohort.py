"""The generated cohort a network learns from: crops with their truth, split by patient, kept on disk.

Patients are split, not crops: no vertebra of a held-out patient is ever seen in training. Every patient
follows from the cohort's seed and the patient's number alone, so the same cohort comes out of one process or
of many.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from enum import IntEnum
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

import tasks.phantom
from tasks.phantom.crop import CROP_SIDE, render_crop
from tasks.phantom.patient import MODEL_LEVELS, sample_patient
from tasks.phantom.scanner import sample_scanner

Progress = Callable[[int, int], None]
"""Called with (done, total)."""

_TRAIN_PART, _CALIBRATION_PART = 0.75, 0.10  # of the patients; the rest is the test set
_PATIENTS_A_JOB = 4


class Split(IntEnum):
    """What a patient is for."""

    TRAIN = 0
    CALIBRATION = 1
    TEST = 2


@dataclass(frozen=True, slots=True)
class CohortPlan:
    """Which cohort to generate; equal plans give equal cohorts."""

    seed: int
    patients: int
    crops_per_patient: int = 4


@dataclass(frozen=True, slots=True)
class Cohort:
    """Crops and their truth; arrays run over crops, in the order of the patients.

    Attributes:
        crops: int16 HU, shape (n, 224, 224), read from disk when touched.
        patient: number of the patient, shape (n,).
        osteoporosis: the patient's label, shape (n,).
        trabecular_hu: of the vertebra in the crop, at 120 kVp, shape (n,).
        split: a `Split` by patient, shape (n,).
        fingerprint: SHA-256 over crops and truth.
    """

    crops: npt.NDArray[np.int16]
    patient: npt.NDArray[np.int64]
    osteoporosis: npt.NDArray[np.bool_]
    trabecular_hu: npt.NDArray[np.float32]
    split: npt.NDArray[np.int8]
    fingerprint: str

    def of(self, split: Split) -> npt.NDArray[np.int64]:
        """Numbers of the crops of one split."""
        return np.flatnonzero(self.split == split)


@dataclass(frozen=True, slots=True)
class _Job:
    plan: CohortPlan
    first: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Rendered:
    crops: npt.NDArray[np.int16]
    osteoporosis: list[bool]
    trabecular_hu: list[float]


def load_cohort(
    plan: CohortPlan, folder: Path, *, processes: int = 1, progress: Progress | None = None
) -> Cohort:
    """The cohort of a plan, generated into `folder` unless it lies there already.

    Crops take 98 KiB each. What lies there is used only if plan and generator are the same as now.
    """
    home = folder / f"cohort-{_key(plan)}"
    if not (home / "truth.npz").is_file():
        _generate(plan, home, processes, progress)
    truth = np.load(home / "truth.npz")
    return Cohort(
        crops=np.load(home / "crops.npy", mmap_mode="r"),
        patient=truth["patient"],
        osteoporosis=truth["osteoporosis"],
        trabecular_hu=truth["trabecular_hu"],
        split=truth["split"],
        fingerprint=str(truth["fingerprint"]),
    )


def _generate(plan: CohortPlan, home: Path, processes: int, progress: Progress | None) -> None:
    """Render all patients; the truth is written last and in whole, so a broken cohort is never taken."""
    home.mkdir(parents=True, exist_ok=True)
    total = plan.patients * plan.crops_per_patient
    crops = np.lib.format.open_memmap(
        home / "crops.npy", mode="w+", dtype=np.int16, shape=(total, CROP_SIDE, CROP_SIDE)
    )
    osteoporosis = np.zeros(total, np.bool_)
    trabecular_hu = np.zeros(total, np.float32)
    jobs = [
        _Job(plan, first, min(first + _PATIENTS_A_JOB, plan.patients))
        for first in range(0, plan.patients, _PATIENTS_A_JOB)
    ]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for job, found in zip(jobs, pool.map(_render, jobs), strict=True):
            rows = slice(job.first * plan.crops_per_patient, job.stop * plan.crops_per_patient)
            crops[rows] = found.crops
            osteoporosis[rows] = found.osteoporosis
            trabecular_hu[rows] = found.trabecular_hu
            if progress:
                progress(job.stop, plan.patients)
    crops.flush()
    patient = np.repeat(np.arange(plan.patients), plan.crops_per_patient)
    digest = hashlib.sha256(crops.tobytes())
    digest.update(osteoporosis.tobytes() + trabecular_hu.tobytes() + patient.tobytes())
    beside = home / f".truth.{os.getpid()}.npz"
    np.savez(
        beside,
        patient=patient,
        osteoporosis=osteoporosis,
        trabecular_hu=trabecular_hu,
        split=_split(plan)[patient],
        fingerprint=np.array(digest.hexdigest()),
    )
    beside.replace(home / "truth.npz")


def _render(job: _Job) -> _Rendered:
    """Crops of some patients: a scanner each, as many different levels as the plan asks for."""
    crops, labels, densities = [], [], []
    for number in range(job.first, job.stop):
        rng = np.random.default_rng([job.plan.seed, number])
        patient = sample_patient(rng)
        scanner = sample_scanner(rng)
        levels = rng.choice(MODEL_LEVELS, size=job.plan.crops_per_patient, replace=False)
        for level in map(str, levels):
            crops.append(render_crop(patient, level, scanner, rng))
            labels.append(patient.osteoporosis)
            densities.append(patient.vertebra(level).trabecular_hu)
    return _Rendered(np.stack(crops), labels, densities)


def _split(plan: CohortPlan) -> npt.NDArray[np.int8]:
    """A split for every patient; by number is by chance, since patients are drawn one by one."""
    position = (np.arange(plan.patients) + 0.5) / plan.patients
    bounds = (_TRAIN_PART, _TRAIN_PART + _CALIBRATION_PART)
    return np.digitize(position, bounds).astype(np.int8)


def _key(plan: CohortPlan) -> str:
    """Names a plan together with the generator's source, so that an older generator's crops are not used."""
    digest = hashlib.sha256(json.dumps(asdict(plan), sort_keys=True).encode())
    for source in sorted(Path(tasks.phantom.__path__[0]).glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
