"""The generated cohort: the same from one process or two, split by patient, never half written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.learn.cohort import Cohort, CohortPlan, Split, load_cohort

PLAN = CohortPlan(seed=3, patients=12, crops_per_patient=2)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return load_cohort(PLAN, tmp_path_factory.mktemp("cohort"))


def test_arrays_run_over_crops(cohort: Cohort) -> None:
    assert cohort.crops.shape == (24, 224, 224)
    assert cohort.crops.dtype == np.int16
    assert cohort.patient.tolist() == np.repeat(np.arange(12), 2).tolist()
    assert len({len(array) for array in (cohort.osteoporosis, cohort.trabecular_hu, cohort.split)}) == 1


def test_no_patient_is_in_two_splits(cohort: Cohort) -> None:
    patients = [set(cohort.patient[cohort.of(split)].tolist()) for split in Split]
    assert [len(part) for part in patients] == [9, 1, 2]
    assert set.union(*patients) == set(range(12))


def test_the_truth_is_the_truth_of_the_crop(cohort: Cohort) -> None:
    """The middle of the body follows the trabecular HU that stands beside it, at whatever kilovoltage."""
    middle = cohort.crops[:, 106:118, 106:118].mean((1, 2))
    assert np.corrcoef(middle, cohort.trabecular_hu)[0, 1] > 0.9


def test_two_processes_draw_the_same_cohort(cohort: Cohort, tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    again = load_cohort(
        PLAN, tmp_path, processes=2, progress=lambda count, total: done.append((count, total))
    )
    assert again.fingerprint == cohort.fingerprint
    np.testing.assert_array_equal(again.crops, cohort.crops)
    assert done == [(4, 12), (8, 12), (12, 12)]


def test_what_lies_there_is_used_and_what_is_half_written_is_not(tmp_path: Path) -> None:
    plan = CohortPlan(seed=1, patients=2, crops_per_patient=1)
    drawn: list[int] = []

    def load() -> Cohort:
        return load_cohort(plan, tmp_path, progress=lambda *counts: drawn.append(counts[0]))

    first = load()
    assert load().fingerprint == first.fingerprint
    assert drawn == [2]
    (home,) = tmp_path.iterdir()
    (home / "truth.npz").unlink()
    assert load().fingerprint == first.fingerprint
    assert drawn == [2, 2]


def test_another_plan_is_another_cohort(cohort: Cohort, tmp_path: Path) -> None:
    other = load_cohort(CohortPlan(seed=4, patients=2, crops_per_patient=2), tmp_path)
    assert not np.array_equal(other.crops, cohort.crops[:4])
