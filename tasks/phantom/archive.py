"""Writes a whole generated archive, strewn with what real archives hold, and the truth about every study."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import starmap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.outcomes import Reason
from tasks.phantom.cases import Case, Plan, mix
from tasks.phantom.dicom_writer import ISSUER, StudyTags, make_uid, write_directory
from tasks.phantom.patient import Patient, sample_patient
from tasks.phantom.study import StudyTruth, make_study

TRUTH_FILE = "truth.parquet"
KNOWN_FILE = "known_osteoporosis.csv"

Progress = Callable[[int, int], None]
"""Called with (patients done, patients in all)."""

_FIRST_DAY = date(2025, 1, 6)

_LEVEL = pa.struct(
    [
        ("level", pa.string()),
        ("x_mm", pa.float64()),
        ("y_mm", pa.float64()),
        ("z_mm", pa.float64()),
        ("trabecular_hu_120kvp", pa.float64()),
        ("trabecular_hu", pa.float64()),
        ("fractured", pa.bool_()),
    ]
)
TRUTH_SCHEMA = pa.schema(
    [
        ("study_uid", pa.string()),
        ("patient_id", pa.string()),
        ("seed", pa.int64()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("osteoporosis", pa.bool_()),
        ("t_score", pa.float64()),
        ("density_hu", pa.float64()),
        ("muscle_area_cm2", pa.float64()),
        ("muscle_fat", pa.float64()),
        ("transfer_syntax", pa.string()),
        ("vendor", pa.string()),
        ("kvp", pa.int32()),
        ("kernel", pa.string()),
        ("patient_position", pa.string()),
        ("files", pa.int32()),
        ("levels", pa.list_(_LEVEL)),
    ]
)
"""Columns of truth.parquet, one row a study; `study.StudyTruth` and `study.LevelTruth` say what they mean."""


@dataclass(frozen=True, slots=True)
class _Work:
    """One patient's share of the archive, small enough to send to another process."""

    folder: Path
    number: int
    seed: int
    case: Case


def write_archive(
    out: Path,
    *,
    patients: int = 40,
    seed: int = 0,
    cases: Sequence[Case] | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Path:
    """Write an archive of so many patients into a folder, with other files among the DICOM.

    Beside the images it holds truth.parquet, one row a study, and known_osteoporosis.csv, the PatientIDs
    of those whose osteoporosis is known already. The same seed gives the same bytes, whatever the number of
    workers.

    Args:
        cases: who is in it, in place of the usual mix; `patients` is then not asked.
        out: made when it is not there; files of an earlier archive in it are overwritten, not cleared away.
        workers: processes; one for each core when not given, none besides this one when 1.

    Returns:
        Path of truth.parquet.

    Raises:
        ValueError: when there would be no patient in it.
    """
    chosen = list(mix(patients)) if cases is None else list(cases)
    if not chosen:
        raise ValueError("an archive has at least one patient")
    out.mkdir(parents=True, exist_ok=True)
    works = [_Work(out, number, seed, case) for number, case in enumerate(chosen, start=1)]
    truths: dict[int, list[StudyTruth]] = {}
    for number, made in _run(works, workers or os.cpu_count() or 1):
        truths[number] = made
        if progress is not None:
            progress(len(truths), len(works))
    rows = [row for number in sorted(truths) for row in truths[number]]
    _write_known(out / KNOWN_FILE, rows)
    _write_others(out)
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=TRUTH_SCHEMA)
    pq.write_table(table, out / TRUTH_FILE)
    return out / TRUTH_FILE


def _run(works: list[_Work], workers: int) -> Iterator[tuple[int, list[StudyTruth]]]:
    """(number, truth) of every patient as it is done, made in this process or in others."""
    if workers == 1 or len(works) == 1:
        yield from map(_make_patient, works)
        return
    # not forked: the caller may run threads (Prefect does), which a fork would leave locked
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(works)), mp_context=context) as pool:
        # the longest first, or one process would still be at it when the others have no more
        made = [pool.submit(_make_patient, work) for work in sorted(works, key=_voxels, reverse=True)]
        for done in as_completed(made):
            yield done.result()


def _voxels(work: _Work) -> float:
    """How many there are to be made, about: what a millimetre of each study holds."""
    return sum(plan.side**2 / plan.spacing_mm for plan in work.case.studies)


def _make_patient(work: _Work) -> tuple[int, list[StudyTruth]]:
    return work.number, list(starmap(make_study, _studies(work)))


def _studies(work: _Work) -> Iterator[tuple[Path, Patient, StudyTags, Plan, int]]:
    """What `make_study` takes, for every study of one patient."""
    base = work.seed * 1_000_003 + work.number * 101
    for turn, plan in enumerate(work.case.studies):
        seed = base + turn
        patient = sample_patient(
            np.random.default_rng([base, 3]),
            age_years=plan.age_years or 70,
            density_hu=plan.density_hu,
        )
        day = _FIRST_DAY + timedelta(
            days=9 * (work.number % 40) + 365 * (turn > 0 and plan.reason is None) + turn
        )
        yield work.folder, patient, _tags(work, plan, patient, day, seed), plan, seed


def _tags(work: _Work, plan: Plan, patient: Patient, day: date, seed: int) -> StudyTags:
    known_age = plan.age_years > 0
    tall = seed % 3 == 0  # PatientSize is missing in nearly all real headers
    return StudyTags(
        study_uid=make_uid("study", seed),
        patient_id=f"PH{work.number:04d}",
        patient_name=f"Phantom^{work.number:04d}",
        birth_date=f"{day.year - plan.age_years}0101" if known_age else "",
        sex=patient.sex,
        age_text=f"{plan.age_years:03d}Y" if known_age else "",
        study_date=f"{day:%Y%m%d}",
        study_time=f"{8 + seed % 10:02d}{seed % 60:02d}00",
        accession=f"A{seed:010d}",
        description="Head" if plan.reason is Reason.NOT_CHEST else "CT Chest WO",
        height_m=patient.height_m if tall else None,
        weight_kg=round(patient.bmi * patient.height_m**2) if tall else None,
    )


def _write_known(path: Path, rows: Iterable[StudyTruth]) -> None:
    """The feed of known patients: CSV with the columns patient_id and issuer."""
    known = sorted({row.patient_id for row in rows if row.reason == Reason.KNOWN_OSTEOPOROSIS})
    lines = ["patient_id,issuer", *(f"{patient_id},{ISSUER}" for patient_id in known)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_others(out: Path) -> None:
    """Files that are no images: every archive has them."""
    (out / "README.txt").write_text("Generated images of nobody. Not for clinical use.\n", encoding="utf-8")
    (out / "Thumbs.db").write_bytes(bytes(range(256)) * 8)
    (out / "empty.dcm").write_bytes(b"")
    write_directory(out / "DICOMDIR")
