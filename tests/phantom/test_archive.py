"""A generated archive: every way a study can end is in it, and each ends so for the rooms that judge it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks.archive.folder import FolderArchive
from tasks.dicom.instance import Study
from tasks.outcomes import Outcome, Reason, StudyEnded
from tasks.phantom.archive import KNOWN_FILE, TRUTH_FILE, TRUTH_SCHEMA, write_archive
from tasks.phantom.cases import CASES, Case, Plan, mix
from tasks.phantom.encoding import SYNTAXES
from tasks.phantom.twists import TWISTS
from tasks.select.eligibility import read_known_patients
from tasks.select.series import Selected, select_series
from tasks.settings import Settings
from tasks.volume.volume import Volume

# Reasons that no generated file can cause: they are about the night, not about a study's bytes.
ABOUT_THE_NIGHT = {
    Reason.WORKER_LOST,
    Reason.INFERENCE_UNAVAILABLE,
    Reason.ARCHIVE_UNAVAILABLE,
    Reason.INTERNAL_ERROR,
}
# Judged in the image by localisation, which has tests of its own.
SEEN_IN_THE_IMAGE = {"enhanced_silently", "metal", "stretched", "water_phantom"}


def _plans() -> list[Plan]:
    return [plan for case in CASES for plan in case.studies]


def _small(plan: Plan) -> Plan:
    """The same plan over fewer and smaller slices."""
    if plan.reason is Reason.SPINE_NOT_COVERED:
        return replace(plan, side=64)
    return replace(plan, top="T8", bottom="L1", side=64, spacing_mm=4.0)


def _write(out: Path, plans: list[Plan], seed: int = 3) -> list[dict[str, object]]:
    """An archive of one small study a patient; its truth."""
    path = write_archive(out, cases=[Case((_small(plan),)) for plan in plans], seed=seed, workers=1)
    rows: list[dict[str, object]] = pq.read_table(path).to_pylist()
    return rows


def _only_study(out: Path) -> Study:
    scan = FolderArchive(out).scan()
    return scan.study(scan.studies[0].study_uid)


def _select(out: Path) -> Selected:
    return select_series(_only_study(out), Settings(), read_known_patients(out / KNOWN_FILE))


def test_every_reason_and_syntax_is_in_the_mix() -> None:
    assert {plan.reason for plan in _plans() if plan.reason} == set(Reason) - ABOUT_THE_NIGHT
    assert {plan.syntax for plan in _plans()} == set(SYNTAXES)
    assert {plan.twist for plan in _plans()} == set(TWISTS)
    assert {plan.position for plan in _plans()} >= {"HFS", "FFS"}
    assert len(CASES) == 40
    densities = [plan.density_hu for plan in _plans() if plan.outcome is Outcome.SCORED]
    assert min(densities) <= 25 and max(densities) >= 270 and len(densities) > 20


@pytest.mark.parametrize("patients", [5, 12, 90])
def test_a_mix_of_any_size_holds_scored_refused_and_failed(patients: int) -> None:
    cases = list(mix(patients))
    assert len(cases) == patients
    assert {plan.outcome for case in cases for plan in case.studies} == set(Outcome)


@pytest.mark.parametrize(
    "plan",
    [plan for plan in _plans() if plan.reason and plan.twist not in SEEN_IN_THE_IMAGE],
    ids=lambda plan: f"{plan.reason}{'-' + plan.twist if plan.twist != plan.reason else ''}",
)
def test_each_refusal_and_failure_ends_as_planned(tmp_path: Path, plan: Plan) -> None:
    [truth] = _write(tmp_path, [plan])
    assert (truth["outcome"], truth["reason"]) == (plan.outcome, plan.reason)
    if plan.reason is Reason.SPINE_NOT_COVERED:
        assert _select(tmp_path).stack.coverage_mm < Settings().selection.min_coverage_mm
        return
    with pytest.raises(StudyEnded) as ended:
        volume = Volume(_select(tmp_path).stack)
        for index in range(volume.geometry.slices):
            volume.hu(index)
    assert ended.value.reason is plan.reason


@pytest.mark.parametrize("twist", ["", "lung_twin", "localizer_inside", "duplicates", "report"])
@pytest.mark.parametrize("position", ["HFS", "FFS"])
def test_what_is_to_be_scored_is_selected_with_even_slices(tmp_path: Path, twist: str, position: str) -> None:
    [truth] = _write(tmp_path, [Plan(twist=twist, position=position, vendor="SIEMENS")])
    selected = _select(tmp_path)
    geometry = Volume(selected.stack).geometry
    assert selected.study_uid == truth["study_uid"]
    assert selected.kernel == truth["kernel"]
    assert geometry.spacing_mm == pytest.approx(4.0, abs=0.01)
    levels = truth["levels"]
    assert isinstance(levels, list) and [level["level"] for level in levels][-1] == "L1"
    assert all(geometry.z_mm[0] < level["z_mm"] < geometry.z_mm[-1] for level in levels)


def test_the_truth_can_be_measured_where_it_says(tmp_path: Path) -> None:
    truths = _write(
        tmp_path, [Plan(density_hu=150, vendor="SIEMENS", position="FFS", syntax="rle", kernel="soft")]
    )
    volume = Volume(_select(tmp_path).stack)
    levels = truths[0]["levels"]
    assert isinstance(levels, list)
    errors = []
    for level in levels:
        image = volume.hu(volume.geometry.nearest(level["z_mm"]))
        row, column = volume.geometry.to_pixel(level["x_mm"], level["y_mm"])
        patch = image[round(row) - 1 : round(row) + 1, round(column) - 1 : round(column) + 2]
        errors.append(float(patch.mean()) - level["trabecular_hu"])
    assert abs(np.median(errors)) < 20.0


def test_a_patient_may_have_two_studies_and_names_are_fictional(tmp_path: Path) -> None:
    case = Case((_small(Plan()), _small(Plan(density_hu=130))))
    rows = pq.read_table(write_archive(tmp_path, cases=[case], workers=1)).to_pylist()
    assert [row["patient_id"] for row in rows] == ["PH0001", "PH0001"]
    assert len({row["study_uid"] for row in rows}) == 2
    names = {
        instance.identity.name
        for summary in FolderArchive(tmp_path).scan().studies
        for series in FolderArchive(tmp_path).scan().study(summary.study_uid).series
        for instance in series.instances
    }
    assert names == {"Phantom^0001"}


def test_the_seed_settles_every_byte_whatever_the_workers(tmp_path: Path) -> None:
    cases = [Case((_small(Plan()),)), Case((_small(Plan(syntax="jpeg_ls")),))]
    for name, seed, workers in (("one", 5, 1), ("two", 5, 2), ("other", 6, 1)):
        write_archive(tmp_path / name, cases=cases, seed=seed, workers=workers)
    one, two, other = (_digests(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert one != other


def test_progress_reaches_the_end_and_the_truth_keeps_its_schema(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    short = [Case((plan,)) for plan in (_small(Plan()), _small(_plans()[0]))]
    path = write_archive(
        tmp_path / "archive", cases=short, workers=1, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 2), (2, 2)]
    assert path.name == TRUTH_FILE
    assert pq.read_schema(path).equals(TRUTH_SCHEMA)


def test_an_archive_without_patients_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one patient"):
        write_archive(tmp_path, patients=0)


@pytest.mark.slow
def test_the_whole_archive_is_found_as_its_truth_tells(tmp_path: Path) -> None:
    rows = pq.read_table(write_archive(tmp_path)).to_pylist()
    scan = FolderArchive(tmp_path).scan()
    assert {summary.study_uid for summary in scan.studies} == {row["study_uid"] for row in rows}


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
