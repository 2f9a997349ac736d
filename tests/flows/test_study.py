"""One study on a worker: whatever it holds, it leaves one result with an outcome and a reason."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from flows import shown as shown_room
from flows import study as study_room
from flows.findings import Bench, Findings, Work
from flows.study import lost_study, screen_study
from tasks.dicom.instance import Identity, Study
from tasks.files import DiskFullError
from tasks.lifecycle import State
from tasks.outcomes import ConfigurationError, Outcome, Reason, Warn
from tasks.phantom.archive import write_archive
from tasks.phantom.cases import Case, Plan
from tasks.publish.journal import Journal
from tasks.publish.result import StudyResult
from tests.archive.files import write_image
from tests.builders import CORONAL, axial_series, localizer, study
from tests.flows.benches import Answering, bench_at, studies_of, work_of

PATIENT = Identity("MRN-77123", "HOSPITAL", "Doe^Jane", "19500101", "ACC-9")
SECRETS = ("MRN-77123", "Doe", "19500101", "ACC-9")

NUMBERS = (
    "probability probability_low probability_high logit_mean risk_tier attenuation_tier model_tier "
    "attenuation_margin_hu trabecular_hu trabecular_hu_120kvp muscle_area_cm2 muscle_hu smi_cm2_m2 aorta_hu "
    "seconds_infer explain_path"
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return bench_at(tmp_path / "lake")


def assert_publishable(bench: Bench, result: StudyResult) -> None:
    """The journal checks every row against its table."""
    with bench.lake.locked("a test"):
        Journal(bench.lake).record(result)
        assert result.key in Journal(bench.lake).load()


def stop_at(bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Make the first step of every study raise."""

    def breaks(bench: Bench, work: Work, findings: Findings) -> NoReturn:
        raise error

    monkeypatch.setattr(study_room, "STEPS", ((breaks, State.SELECTED), *study_room.STEPS[1:]))


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (study(axial_series(40, modality="MR", sop_class_uid="1.2.840.10008.5.1.4.1.1.4")), Reason.NOT_CT),
        (study(axial_series(60, body_part="HEAD", study_description="Head", series_description="Brain")),
         Reason.NOT_CHEST),
        (study([localizer()]), Reason.LOCALIZER),
        (study(axial_series(6)), Reason.TOO_FEW_SLICES),
        (study(axial_series(40, spacing_mm=8.0, slice_thickness_mm=8.0)), Reason.THICK_SLICES),
        (study(axial_series(40, pixel_spacing_mm=(0.7, 0.9))), Reason.ANISOTROPIC_PIXELS),
        (study(axial_series(200, age_text="034Y")), Reason.TOO_YOUNG),
        (study(axial_series(200, age_text="")), Reason.AGE_UNKNOWN),
        (study(axial_series(200, contrast_agent="OMNIPAQUE 350")), Reason.CONTRAST_ENHANCED),
    ],
    ids=lambda value: value if isinstance(value, Reason) else "",
)  # fmt: skip
def test_what_the_headers_rule_out_is_refused_without_a_number(
    held: Study, reason: Reason, bench: Bench
) -> None:
    result = screen_study(bench, work_of(held))
    row = result.screening
    assert (row.outcome, row.reason) == (Outcome.EXCLUDED, reason)
    assert not any(getattr(row, name) for name in NUMBERS.split())
    assert row.levels == ()
    assert result.vertebrae == ()
    assert row.archive_series == len(held.series) == len(result.series)
    assert_publishable(bench, result)


def test_a_study_all_of_whose_files_are_damaged_fails_with_its_name(bench: Bench) -> None:
    result = screen_study(bench, work_of(study([], unreadable=3)))
    assert (result.screening.outcome, result.screening.reason) == (Outcome.FAILED, Reason.UNREADABLE_FILE)
    assert result.patient is None
    assert_publishable(bench, result)


def test_a_damaged_file_that_leaves_a_gap_fails_the_study(bench: Bench) -> None:
    slices = axial_series(200)
    del slices[90]
    result = screen_study(bench, work_of(study(slices, unreadable=1)))
    assert result.screening.reason in (Reason.UNREADABLE_FILE, Reason.MISSING_SLICES)
    assert_publishable(bench, result)


def test_files_that_have_gone_since_the_scan_fail_the_study(bench: Bench, tmp_path: Path) -> None:
    archive = tmp_path / "Doe^Jane"
    for number in range(150):
        write_image(archive / f"{number}", number=number, PatientAge="070Y", PatientName=PATIENT.name)
    (held,) = studies_of(archive)
    shutil.rmtree(archive)
    row = screen_study(bench, work_of(held)).screening
    assert (row.outcome, row.reason) == (Outcome.FAILED, Reason.ARCHIVE_UNAVAILABLE)
    assert not any(secret in str(row) for secret in SECRETS)


def test_a_missing_slice_fails_the_study(bench: Bench) -> None:
    slices = axial_series(200)
    del slices[90]
    result = screen_study(bench, work_of(study(slices)))
    assert (result.screening.outcome, result.screening.reason) == (Outcome.FAILED, Reason.MISSING_SLICES)


@pytest.mark.parametrize("error", [RuntimeError, KeyError, MemoryError, RecursionError, OSError, ValueError])
def test_a_bug_fails_the_study_and_says_where_but_nothing_of_the_patient(
    error: type[Exception], bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop_at(bench, monkeypatch, error(f"cannot read /archive/{PATIENT.name}/{PATIENT.patient_id}.dcm"))
    with caplog.at_level(logging.DEBUG):
        result = screen_study(bench, work_of(study(axial_series(20, identity=PATIENT))))
    row = result.screening
    assert (row.outcome, row.reason) == (Outcome.FAILED, Reason.INTERNAL_ERROR)
    assert row.detail is not None
    assert row.detail.startswith(f"{error.__name__} at test_study.py:")
    assert not any(secret in f"{row}{caplog.text}" for secret in SECRETS)
    assert_publishable(bench, result)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_is_nobodys_fault_and_passes(
    interruption: type[BaseException], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> NoReturn:
        raise interruption

    monkeypatch.setattr(study_room, "STEPS", ((breaks, State.SELECTED),))
    with pytest.raises(interruption):
        screen_study(bench, work_of(study(axial_series(20))))


@pytest.mark.parametrize("error", [ConfigurationError("another model answers"), DiskFullError(Path("lake"))])
def test_what_no_study_can_get_over_ends_the_run(
    error: Exception, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(bench, monkeypatch, error)
    with pytest.raises(type(error)):
        screen_study(bench, work_of(study(axial_series(20))))


def test_observers_hear_how_far_a_study_came(bench: Bench) -> None:
    moves: list[tuple[str, State]] = []
    screen_study(
        bench, work_of(study(axial_series(200))), (lambda uid, _left, to, _seconds: moves.append((uid, to)),)
    )
    assert moves == [("1.2.3", State.SELECTED), ("1.2.3", State.FAILED)]


def test_a_lost_study_has_its_row_too(bench: Bench) -> None:
    work = work_of(study(axial_series(200, identity=PATIENT)))
    result = lost_study(bench, work, "its worker process died each time")
    row = result.screening
    assert (row.outcome, row.reason) == (Outcome.FAILED, Reason.WORKER_LOST)
    assert row.detail == "its worker process died each time"
    assert row.age_years == 70
    assert_publishable(bench, result)


def test_a_known_patient_is_not_screened_again(bench: Bench) -> None:
    work = replace(work_of(study(axial_series(200, identity=PATIENT))), known=(("MRN-77123", ""),))
    assert screen_study(bench, work).screening.reason is Reason.KNOWN_OSTEOPOROSIS


def test_who_the_patient_is_stands_in_the_rows_of_identities_only(bench: Bench) -> None:
    result = screen_study(bench, work_of(study(axial_series(6, identity=PATIENT))))
    assert result.patient is not None
    assert result.accession is not None
    assert (result.patient.patient_id, result.patient.name) == (PATIENT.patient_id, PATIENT.name)
    assert result.accession.accession_number == PATIENT.accession_number
    public = f"{result.screening}{result.series}"
    assert not any(secret in public for secret in SECRETS)


def test_of_two_series_the_judgement_on_each_is_kept(bench: Bench) -> None:
    held = study(
        [
            *axial_series(6, series_uid="1.2.3.1", series_number=1),
            *axial_series(40, series_uid="1.2.3.2", spacing_mm=8.0, slice_thickness_mm=8.0),
        ]
    )
    rows = {row.series_uid: row for row in screen_study(bench, work_of(held)).series}
    assert rows["1.2.3.1"].reason is Reason.TOO_FEW_SLICES
    assert rows["1.2.3.2"].reason is Reason.THICK_SLICES
    assert not any(row.chosen for row in rows.values())
    assert (rows["1.2.3.1"].instances, rows["1.2.3.2"].instances) == (6, 40)
    assert (rows["1.2.3.1"].slice_spacing_mm, rows["1.2.3.2"].slice_spacing_mm) == (1.0, 8.0)


def test_a_coronal_series_is_refused_as_such(bench: Bench) -> None:
    frames = (replace(axial_series(1)[0].frames[0], orientation=CORONAL),)
    slices = [
        replace(item, frames=(replace(frames[0], position_mm=(-180.0, float(index), 200.0)),))
        for index, item in enumerate(axial_series(60))
    ]
    assert screen_study(bench, work_of(study(slices))).screening.reason is Reason.NOT_AXIAL


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study that can be scored, and would be if a server answered."""
    archive = tmp_path_factory.mktemp("generated")
    plan = Plan(density_hu=120, top="T6", bottom="L1", side=256)
    write_archive(archive, cases=[Case((plan,))], seed=3, workers=1)
    (held,) = studies_of(archive)
    return held


@pytest.mark.parametrize(("limit_hu", "is_noisy"), [(80.0, False), (1.0, True)])
def test_noise_travels_with_the_score(
    tmp_path: Path, generated: Study, limit_hu: float, is_noisy: bool
) -> None:
    bench = bench_at(tmp_path / "lake", Answering(), pictures=False)
    limits = bench.settings.vertebrae.model_copy(update={"noisy_sd_hu": limit_hu})
    strict = replace(bench, settings=bench.settings.model_copy(update={"vertebrae": limits}))
    row = screen_study(strict, work_of(generated)).screening
    assert row.outcome is Outcome.SCORED
    assert (Warn.NOISY in row.warnings) is is_noisy


def test_without_a_server_the_study_fails_for_a_passing_reason(bench: Bench, generated: Study) -> None:
    moves: list[State] = []
    result = screen_study(bench, work_of(generated), (lambda _uid, _left, to, _seconds: moves.append(to),))
    row = result.screening
    assert moves == [State.SELECTED, State.LOCATED, State.MEASURED, State.FAILED]
    assert (row.outcome, row.reason) == (Outcome.FAILED, Reason.INFERENCE_UNAVAILABLE)
    assert Reason.INFERENCE_UNAVAILABLE.is_transient
    assert not any(getattr(row, name) for name in NUMBERS.split())
    assert result.vertebrae == ()
    assert row.slices_read is not None
    assert row.slices_read > 0
    assert_publishable(bench, result)


def test_a_picture_that_cannot_be_drawn_fails_its_study_and_not_the_night(
    tmp_path: Path, generated: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr(shown_room, "draw_seen", breaks)
    bench = bench_at(tmp_path / "lake", Answering())
    result = screen_study(bench, work_of(generated))
    row = result.screening
    assert (row.outcome, row.reason) == (Outcome.FAILED, Reason.INTERNAL_ERROR)
    assert (row.detail or "").startswith("ZeroDivisionError at ")
    assert not any(getattr(row, name) for name in NUMBERS.split())
    assert_publishable(bench, result)


def test_without_pictures_a_study_is_scored_and_none_is_written(tmp_path: Path, generated: Study) -> None:
    bench = bench_at(tmp_path / "lake", Answering(), pictures=False)
    result = screen_study(bench, work_of(generated))
    assert result.screening.outcome is Outcome.SCORED
    assert result.screening.explain_path is None
    assert not (tmp_path / "lake" / "explain").exists()
    assert_publishable(bench, result)
