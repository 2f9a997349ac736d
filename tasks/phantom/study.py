"""Makes one study of a generated archive on disk, and tells the truth about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tasks.phantom.cases import Plan
from tasks.phantom.dicom_writer import StudyTags
from tasks.phantom.encoding import SYNTAXES
from tasks.phantom.job import StudyJob
from tasks.phantom.naming import Namer
from tasks.phantom.patient import Patient
from tasks.phantom.scanner import bone_factor, sample_scanner
from tasks.phantom.twists import changed_patient, write_study
from tasks.phantom.volume import Scan, plan_scan


@dataclass(frozen=True, slots=True)
class LevelTruth:
    """What is true of one vertebra in one study.

    Attributes:
        x_mm, y_mm, z_mm: centre of the body, patient coordinates of the files, LPS.
        trabecular_hu_120kvp, trabecular_hu: at 120 kVp, and at the scan's tube voltage.
    """

    level: str
    x_mm: float
    y_mm: float
    z_mm: float
    trabecular_hu_120kvp: float
    trabecular_hu: float
    fractured: bool


@dataclass(frozen=True, slots=True)
class StudyTruth:
    """What is true of one study.

    Attributes:
        outcome, reason: how it is to end, words of `outcomes`; reason is empty where it is to be scored.
        density_hu: trabecular HU at L1, 120 kVp, before the levels scatter.
        levels: vertebrae that the scan covers from endplate to endplate; empty where nothing is to be scored.
    """

    study_uid: str
    patient_id: str
    seed: int
    outcome: str
    reason: str
    osteoporosis: bool
    t_score: float
    density_hu: float
    muscle_area_cm2: float
    muscle_fat: float
    transfer_syntax: str
    vendor: str
    kvp: int
    kernel: str
    patient_position: str
    files: int
    levels: tuple[LevelTruth, ...]


def make_study(folder: Path, patient: Patient, tags: StudyTags, plan: Plan, seed: int) -> StudyTruth:
    """Write the files of one study.

    Args:
        folder: root of the archive; the study's files are strewn below it.
        seed: of everything in the study that the patient does not settle.
    """
    rng = np.random.default_rng([seed, 23])
    scanner = replace(
        sample_scanner(rng, kvp=plan.kvp, kernel_kind=plan.kernel, vendor=plan.vendor),
        thickness_mm=plan.spacing_mm,
        spacing_mm=plan.spacing_mm,
    )
    scan = plan_scan(
        changed_patient(patient, plan.twist),
        scanner,
        top=plan.top,
        bottom=plan.bottom,
        side=plan.side,
        circle=plan.circle,
    )
    job = StudyJob(tags, scan, plan, Namer(folder, seed), round(float(rng.uniform(-900.0, 300.0)), 1))
    write_study(job)
    return StudyTruth(
        study_uid=tags.study_uid,
        patient_id=tags.patient_id,
        seed=seed,
        outcome=plan.outcome.value,
        reason="" if plan.reason is None else plan.reason.value,
        osteoporosis=patient.osteoporosis,
        t_score=round(patient.t_score, 3),
        density_hu=round(patient.density_hu, 2),
        muscle_area_cm2=round(patient.muscle_area_cm2, 2),
        muscle_fat=round(patient.muscle_fat, 4),
        transfer_syntax=str(SYNTAXES[plan.syntax].uid),
        vendor=scanner.vendor,
        kvp=scanner.kvp,
        kernel=scanner.kernel,
        patient_position=plan.position,
        files=len(job.paths),
        levels=tuple(level_truth(scan, job.shift_mm)) if plan.reason is None else (),
    )


def level_truth(scan: Scan, shift_mm: float) -> Iterator[LevelTruth]:
    """The vertebrae that a scan covers whole, from the head down."""
    cos, sin = np.cos(scan.turn_rad), np.sin(scan.turn_rad)
    factor = bone_factor(scan.scanner.kvp)
    for vertebra in scan.patient.vertebrae:
        if vertebra.bottom_mm < scan.z_mm[0] or vertebra.top_mm > scan.z_mm[-1]:
            continue
        dx, dy = vertebra.x_mm - scan.centre_mm[0], vertebra.y_mm - scan.centre_mm[1]
        yield LevelTruth(
            level=vertebra.level,
            x_mm=round(float(scan.centre_mm[0] + cos * dx + sin * dy), 2),
            y_mm=round(float(scan.centre_mm[1] - sin * dx + cos * dy), 2),
            z_mm=round(vertebra.z_mm + shift_mm, 2),
            trabecular_hu_120kvp=round(vertebra.trabecular_hu, 1),
            trabecular_hu=round(vertebra.trabecular_hu * factor, 1),
            fractured=vertebra.fractured,
        )
