"""A new model version over what an earlier one left: the same row as from the archive, without it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from flows.findings import Again, Bench
from flows.kept import KeptArchive
from flows.rescore import lost, rescore_study, work_on
from flows.study import lost_study, screen_study
from tasks.archive.scan import Window
from tasks.dicom.instance import Study
from tasks.infer.client import TritonClient
from tasks.infer.manifest import Calibration, Manifest
from tasks.infer.prediction import Prediction
from tasks.infer.slots import Slot
from tasks.outcomes import Failed, Outcome, Reason
from tasks.phantom.archive import write_archive
from tasks.phantom.cases import Case, Plan
from tasks.publish.crops import crops_path, read_crops
from tasks.publish.journal import Journal
from tasks.publish.lake import Lake
from tasks.publish.recall import recall
from tasks.publish.result import ScreeningKey, StudyResult
from tasks.settings import Inference
from tasks.version import pipeline_version
from tests.builders import axial_series, study
from tests.flows.benches import NOBODY, bench_at, nobody_answers, studies_of, work_of

# What two ways to the same score may differ in: when it was made, by which run, and what it cost.
COST = {
    "run_id",
    "screened_at",
    "slices_read",
    "bytes_read",
    "seconds_read",
    "seconds_infer",
    "seconds_total",
}


class Answering(TritonClient):
    """In place of a server: an answer that depends on every pixel that it was sent."""

    def __init__(self) -> None:
        super().__init__(NOBODY, Inference(shared_memory="off"))

    def infer(self, crops: Slot | npt.NDArray[np.int16]) -> Prediction:
        pixels = crops.pixels if isinstance(crops, Slot) else crops
        weights = np.linspace(-1.0, 1.0, pixels[0].size)
        logits = (pixels.reshape(len(pixels), -1) @ weights / 1e7).astype(np.float32)
        return Prediction(logits, np.ones((len(pixels), 7, 7), np.float32), "1")


def under(bench: Bench, version: str, bias: float = 0.0) -> Bench:
    """The bench of a night with another version of the model."""
    calibration = Calibration(temperature=1.0, bias=bias)
    manifest: Manifest = bench.manifest.model_copy(update={"version": version, "calibration": calibration})
    return replace(bench, manifest=manifest)


def key_under(bench: Bench, held: Study) -> ScreeningKey:
    version = pipeline_version(bench.settings)
    return ScreeningKey(held.study_uid, held.content_key, bench.manifest.version, version)


def screened(bench: Bench, held: Study) -> StudyResult:
    """Screen a study from the archive and publish it."""
    result = screen_study(bench, replace(work_of(held), key=key_under(bench, held)))
    bench.lake.publish([result])
    return result


def again_under(bench: Bench, held: Study) -> Again:
    key = key_under(bench, held)
    return Again(key, recall(bench.lake, [key])[key])


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study that can be scored."""
    archive = tmp_path_factory.mktemp("generated")
    write_archive(archive, cases=[Case((Plan(top="T8", bottom="L1", side=256),))], seed=4, workers=1)
    (held,) = studies_of(archive)
    return held


@pytest.fixture(scope="module")
def first_night(generated: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake that a night with crops kept left; copied by `bench`."""
    lake = tmp_path_factory.mktemp("first") / "lake"
    screened(keeping(bench_at(lake, Answering())), generated)
    return lake


def keeping(bench: Bench) -> Bench:
    return replace(bench, settings=bench.settings.model_copy(update={"keep_crops": True}))


@pytest.fixture
def bench(first_night: Path, tmp_path: Path) -> Bench:
    """The bench of that night, over a copy of its lake."""
    shutil.copytree(first_night, tmp_path / "lake")
    return keeping(bench_at(tmp_path / "lake", Answering()))


def test_rescored_is_as_screened_from_the_archive(bench: Bench, generated: Study) -> None:
    later = under(bench, "2", bias=1.5)
    rescored = work_on(later, again_under(later, generated))
    from_archive = screen_study(later, replace(work_of(generated), key=key_under(later, generated)))
    ours, theirs = rescored.screening, from_archive.screening
    for field in fields(ours):
        if field.name not in COST | {"patient_key", "archive_key"}:
            assert getattr(ours, field.name) == getattr(theirs, field.name), field.name
    assert rescored.vertebrae == from_archive.vertebrae
    assert (ours.outcome, ours.model_version) == (Outcome.SCORED, "2")


def test_another_calibration_gives_another_probability_of_the_same_measurements(
    bench: Bench, generated: Study
) -> None:
    later = under(bench, "2", bias=1.5)
    again = again_under(later, generated)
    row, before = rescore_study(later, again).screening, again.earlier.screening
    assert (row.probability or 0) > (before.probability or 0)
    assert row.logit_mean == before.logit_mean
    assert (row.trabecular_hu, row.levels, row.muscle_hu) == (
        before.trabecular_hu,
        before.levels,
        before.muscle_hu,
    )


def test_nothing_is_read_for_it_and_a_picture_is_drawn(bench: Bench, generated: Study) -> None:
    later = under(bench, "2")
    row = rescore_study(later, again_under(later, generated)).screening
    assert (row.slices_read, row.bytes_read, row.seconds_read) == (0, 0, 0)
    assert row.explain_path is not None
    assert (bench.lake.root / row.explain_path).read_bytes().startswith(b"\x89PNG")


def test_both_versions_stand_in_the_lake_with_their_series(bench: Bench, generated: Study) -> None:
    later = under(bench, "2")
    result = rescore_study(later, again_under(later, generated))
    with bench.lake.locked("a test"):
        Journal(bench.lake).record(result)
        bench.lake.publish(Journal(bench.lake).load().values())
    history = bench.lake.history(generated.study_uid)
    assert [row.model_version for row, _ in history] == ["2", "1"]
    assert [row.superseded_at for row, _ in history] == [None, None]
    assert [len(vertebrae) for _, vertebrae in history] == [len(result.vertebrae)] * 2
    assert len(bench.lake.series.read()) == len(generated.series)


def test_kept_crops_are_for_their_owner_only(bench: Bench, generated: Study) -> None:
    path = crops_path(bench.lake, key_under(bench, generated))
    assert path.stat().st_mode & 0o777 == 0o600
    assert (bench.lake.root / "crops").stat().st_mode & 0o777 == 0o700
    assert generated.study_uid not in str(path)


def test_no_crops_are_kept_unless_asked_for(generated: Study, tmp_path: Path) -> None:
    bench = bench_at(tmp_path / "lake", Answering())
    screened(bench, generated)
    assert not (tmp_path / "lake" / "crops").exists()
    assert recall(bench.lake, [key_under(under(bench, "2"), generated)]) == {}


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:200] + bytes(64) + content[264:],
        lambda _: b"not an archive of arrays",
    ],
    ids=["empty", "cut", "overwritten", "other"],
)
def test_damaged_crops_are_tried_again_from_the_archive(
    damage: Callable[[bytes], bytes], bench: Bench, generated: Study
) -> None:
    later = under(bench, "2")
    again = again_under(later, generated)
    path = crops_path(bench.lake, again.key)
    path.write_bytes(damage(path.read_bytes()))
    row = rescore_study(later, again).screening
    assert (row.outcome, row.reason) == (Outcome.FAILED, Reason.ARCHIVE_UNAVAILABLE)
    assert (row.probability, row.trabecular_hu, row.levels, row.explain_path) == (None, None, (), None)
    assert recall(bench.lake, [again.key]) == {}  # so that the next night reads the archive


def test_without_a_server_it_fails_for_a_passing_reason(bench: Bench, generated: Study) -> None:
    later = replace(under(bench, "2"), client=nobody_answers())
    again = again_under(later, generated)
    result = rescore_study(later, again)
    assert result.screening.reason is Reason.INFERENCE_UNAVAILABLE
    assert result.vertebrae == ()
    bench.lake.publish([result])
    assert recall(bench.lake, [again.key]) == {again.key: again.earlier}


def test_a_worker_lost_twice_leaves_a_row_too(bench: Bench, generated: Study) -> None:
    later = under(bench, "2")
    row = lost(later, again_under(later, generated), "its worker process died each time").screening
    assert (row.reason, row.model_version, row.probability) == (Reason.WORKER_LOST, "2", None)


def test_a_patient_known_by_now_is_not_scored_again(bench: Bench, generated: Study) -> None:
    later = under(bench, "2")
    result = rescore_study(later, replace(again_under(later, generated), is_known=True))
    assert result.screening.reason is Reason.KNOWN_OSTEOPOROSIS
    assert (result.screening.risk_tier, result.vertebrae) == (None, ())


def test_a_refusal_depends_on_no_model_and_is_carried_over(bench: Bench) -> None:
    held = study(axial_series(6))
    before = screened(bench, held).screening
    later = replace(under(bench, "2"), client=nobody_answers())
    row = rescore_study(later, again_under(later, held)).screening
    assert (row.reason, row.detail, row.model_version) == (Reason.TOO_FEW_SLICES, before.detail, "2")


def test_what_failed_for_a_passing_reason_is_not_recalled(bench: Bench) -> None:
    held = study(axial_series(6))
    work = replace(work_of(held), key=key_under(bench, held))
    bench.lake.publish([lost_study(bench, work, "its worker process died each time")])
    assert recall(bench.lake, [key_under(under(bench, "2"), held)]) == {}


def test_other_content_or_another_question_is_not_recalled(bench: Bench, generated: Study) -> None:
    key = key_under(under(bench, "2"), generated)
    assert recall(bench.lake, [key._replace(content_key="other")]) == {}
    assert recall(bench.lake, [key._replace(pipeline_version="9-00000000")]) == {}
    assert recall(bench.lake, [key._replace(model_version="1")]) == {}


def test_the_lake_as_an_archive_lists_what_it_can_give(bench: Bench, generated: Study) -> None:
    screened(bench, study(axial_series(6)))
    version = pipeline_version(bench.settings)
    everything = KeptArchive(bench.lake, version).scan()
    assert {item.study_uid for item in everything.studies} == {generated.study_uid, "1.2.3"}
    assert everything.studies[0].content_key in {generated.content_key, study(axial_series(6)).content_key}
    assert KeptArchive(bench.lake, "9-00000000").scan().studies == ()
    crops_path(bench.lake, key_under(bench, generated)).unlink()
    assert [item.study_uid for item in KeptArchive(bench.lake, version).scan().studies] == ["1.2.3"]
    later = Window(since=date(2025, 1, 1))  # than the study of few slices
    assert KeptArchive(bench.lake, version).scan(window=later).studies == ()


def test_what_is_no_longer_kept_is_never_taken_for_an_empty_study(bench: Bench) -> None:
    archive = KeptArchive(bench.lake, pipeline_version(bench.settings))
    held = archive.scan().study(archive.scan().studies[0].study_uid)
    with pytest.raises(Failed, match="gone"):
        archive.access().headers(held)
    row = screen_study(replace(bench, access=archive.access()), work_of(held)).screening
    assert row.reason is Reason.ARCHIVE_UNAVAILABLE


def test_kept_crops_are_what_the_model_saw(bench: Bench, generated: Study) -> None:
    seen = read_crops(bench.lake, key_under(bench, generated))
    assert seen is not None
    (row, vertebrae) = bench.lake.history(generated.study_uid)[0]
    assert Answering().infer(seen.crops).logits.tolist() == pytest.approx([v.logit for v in vertebrae])
    assert [region.hu for region in seen.regions] == pytest.approx([v.trabecular_hu for v in vertebrae])
    assert seen.strip is not None
    assert len(seen.strip.read_z_mm) == row.slices_read


def test_no_crops_in_an_empty_lake(tmp_path: Path) -> None:
    assert read_crops(Lake(tmp_path / "lake"), ScreeningKey("1.2.3", "c", "1", "p")) is None
