"""Real chest CT through every step of a study and a real server, against what a person measured by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pydicom
import pytest
from pydicom.uid import UID, generate_uid

from flows.findings import Bench
from flows.study import screen_study
from tasks.dicom.header import read_header
from tasks.dicom.instance import Instance
from tasks.infer.client import shared_client
from tasks.outcomes import Outcome, Reason, Warn
from tasks.publish.result import StudyResult
from tasks.schema import Tier
from tasks.settings import Inference
from tests.flows.benches import bench_at, studies_of, work_of

pytestmark = [pytest.mark.real_ct, pytest.mark.triton, pytest.mark.xdist_group("real_ct")]

# How far a measurement may lie from the hand: the hand itself is good to 3 mm and 15 HU.
MAX_OFF_MM = 5.0
MAX_OFF_HU = 35.0
MAX_MEDIAN_OFF_HU = 20.0
# Of slices 1.25 mm apart or less no more than this part may be decoded.
MAX_READ = 0.45
THIN_MM = 1.25


@dataclass(frozen=True)
class Chest:
    """One whole chest; `by_hand` is z in mm → mean HU, as the data's README has them."""

    folder: str
    tier: Tier
    by_hand: dict[float, float]
    knows_age: bool = False
    is_noisy: bool = False


UNENHANCED = Chest(
    "chest_ct_unenhanced",
    Tier.LOW,
    {
        -4.25: 262,
        27.0: 294,
        55.75: 310,
        82.0: 310,
        108.25: 278,
        133.25: 303,
        159.5: 263,
        180.75: 273,
    },
    knows_age=True,
)
PHILIPS = Chest(
    "chest_ct_philips_ffs",
    Tier.LOW,
    {-664.8: 237, -638.8: 270, -613.8: 265, -589.8: 272, -566.8: 255, -544.8: 259, -522.8: 299},
    is_noisy=True,  # a sharp kernel in slices of 1 mm
)
SIEMENS = Chest(
    "chest_ct_siemens_3mm",
    Tier.HIGH,
    {-624.5: 45, -588.5: 42, -561.5: 55, -534.5: 56, -507.5: 50},
)
CHESTS = (UNENHANCED, PHILIPS, SIEMENS)


@pytest.fixture(scope="module")
def bench(model_server: str, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """One server and one lake for all; studies of unknown age are let in."""
    client = shared_client(model_server, Inference())
    return bench_at(tmp_path_factory.mktemp("real") / "lake", client, unknown_age="warn")


@pytest.fixture(scope="module")
def screened(bench: Bench, real_ct: Path) -> Callable[[str], StudyResult]:
    """The result of a folder of the real CT, worked out once."""
    results: dict[str, StudyResult] = {}

    def result(folder: str) -> StudyResult:
        if folder not in results:
            results[folder] = screen_folder(bench, real_ct / folder)
        return results[folder]

    return result


def screen_folder(bench: Bench, folder: Path) -> StudyResult:
    """The result of the one study in a folder."""
    (study,) = studies_of(folder)
    return screen_study(bench, work_of(study))


def headers(folder: Path) -> Iterator[tuple[Path, Instance]]:
    """The images of a folder, from the lowest slice up."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            header = read_header(path, path.stat().st_size)
            if isinstance(header, Instance):
                found.append((path, header))
    yield from sorted(found, key=lambda pair: height(pair[1]))


def height(header: Instance) -> float:
    position = header.frames[0].position_mm
    assert position is not None
    return position[2]


def numbers(result: StudyResult) -> list[tuple[str | None, float, float | None]]:
    """Level, height and attenuation of every vertebra, as a study's fingerprint."""
    return [(v.level, round(v.z_mm, 3), v.trabecular_hu) for v in result.vertebrae]


@pytest.mark.parametrize("chest", CHESTS, ids=lambda chest: chest.folder)
def test_a_whole_chest_is_measured_as_by_hand(chest: Chest, screened: Callable[[str], StudyResult]) -> None:
    result = screened(chest.folder)
    row = result.screening
    assert row.outcome is Outcome.SCORED, f"{row.reason}: {row.detail}"
    assert len(result.vertebrae) >= 4
    hand = []
    for vertebra in result.vertebrae:
        assert vertebra.trabecular_hu is not None
        z_mm = min(chest.by_hand, key=lambda z: abs(z - vertebra.z_mm))
        assert abs(z_mm - vertebra.z_mm) <= MAX_OFF_MM
        assert abs(chest.by_hand[z_mm] - vertebra.trabecular_hu) <= MAX_OFF_HU
        hand.append(chest.by_hand[z_mm])
    assert row.trabecular_hu is not None
    assert abs(row.trabecular_hu - median(hand)) <= MAX_MEDIAN_OFF_HU
    assert row.attenuation_tier is chest.tier
    assert row.risk_tier is chest.tier
    assert (Warn.AGE_UNKNOWN in row.warnings) is not chest.knows_age
    assert (Warn.NOISY in row.warnings) is chest.is_noisy


@pytest.mark.parametrize("chest", CHESTS, ids=lambda chest: chest.folder)
def test_no_more_is_decoded_than_the_question_needs(
    chest: Chest, screened: Callable[[str], StudyResult]
) -> None:
    row = screened(chest.folder).screening
    assert row.slices_read is not None
    assert row.slices_total is not None
    assert row.slice_spacing_mm is not None
    assert 0 < row.slices_read <= row.slices_total
    if row.slice_spacing_mm <= THIN_MM:
        assert row.slices_read <= MAX_READ * row.slices_total


def test_the_chest_of_low_density_is_the_models_most_likely(screened: Callable[[str], StudyResult]) -> None:
    probabilities = [screened(chest.folder).screening.probability or 0.0 for chest in CHESTS]
    assert max(probabilities) == probabilities[CHESTS.index(SIEMENS)]
    assert probabilities.count(max(probabilities)) == 1


def test_every_score_says_what_its_weights_are(screened: Callable[[str], StudyResult]) -> None:
    for chest in CHESTS:
        row = screened(chest.folder).screening
        assert row.model_label == "phantom-reference"
        assert Warn.PHANTOM_REFERENCE in row.warnings


def test_every_scored_chest_has_its_picture(bench: Bench, screened: Callable[[str], StudyResult]) -> None:
    for chest in CHESTS:
        path = screened(chest.folder).screening.explain_path
        assert path is not None
        assert (bench.lake.root / path).read_bytes().startswith(b"\x89PNG")


def test_without_an_age_the_default_is_to_refuse(real_ct: Path, tmp_path: Path) -> None:
    row = screen_folder(bench_at(tmp_path), real_ct / SIEMENS.folder).screening
    assert (row.outcome, row.reason) == (Outcome.EXCLUDED, Reason.AGE_UNKNOWN)


def test_thick_slices_are_scored_or_refused_but_never_mismeasured(
    screened: Callable[[str], StudyResult],
) -> None:
    result = screened("chest_ct_philips_5mm")
    assert result.screening.outcome in (Outcome.SCORED, Outcome.EXCLUDED)
    assert (result.screening.trabecular_hu is None) is (result.screening.outcome is Outcome.EXCLUDED)


def test_names_and_folders_mean_nothing(
    bench: Bench, real_ct: Path, tmp_path: Path, screened: Callable[[str], StudyResult]
) -> None:
    for number, (path, _) in enumerate(headers(real_ct / PHILIPS.folder)):
        place = tmp_path / f"{number % 3}" / f"{(number * 7919) % 1009:04d}"
        place.parent.mkdir(exist_ok=True)
        shutil.copy(path, place)
    moved = screen_folder(bench, tmp_path)
    assert numbers(moved) == numbers(screened(PHILIPS.folder))
    assert moved.screening.probability == pytest.approx(
        screened(PHILIPS.folder).screening.probability, abs=1e-3
    )


@pytest.mark.parametrize("chest", CHESTS, ids=lambda chest: chest.folder)
def test_one_slice_missing_in_the_middle_is_noticed(
    chest: Chest, bench: Bench, real_ct: Path, tmp_path: Path
) -> None:
    shutil.copytree(real_ct / chest.folder, tmp_path / "study")
    slices = [path for path, _ in headers(tmp_path / "study")]
    slices[len(slices) // 2].unlink()
    row = screen_folder(bench, tmp_path).screening
    assert row.reason in (Reason.MISSING_SLICES, Reason.UNEVEN_SPACING)
    assert row.trabecular_hu is None


@pytest.mark.parametrize("chest", CHESTS, ids=lambda chest: chest.folder)
def test_pixels_cut_short_are_noticed(chest: Chest, bench: Bench, real_ct: Path, tmp_path: Path) -> None:
    shutil.copytree(real_ct / chest.folder, tmp_path / "study")
    slices = [path for path, _ in headers(tmp_path / "study")]
    cut = slices[len(slices) // 3]
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    row = screen_folder(bench, tmp_path).screening
    assert row.outcome is Outcome.FAILED
    assert row.reason in (Reason.TRUNCATED_PIXELS, Reason.UNREADABLE_FILE, Reason.UNDECODABLE_PIXELS)
    assert row.trabecular_hu is None


def test_a_localizer_in_the_series_changes_no_number(
    bench: Bench, real_ct: Path, tmp_path: Path, screened: Callable[[str], StudyResult]
) -> None:
    shutil.copytree(real_ct / SIEMENS.folder, tmp_path / "study")
    source, _ = next(headers(tmp_path / "study"))
    scout = pydicom.dcmread(source)
    scout.SOPInstanceUID = scout.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["scout"])
    scout.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    scout.ImagePositionPatient = [-250.0, 0.0, -400.0]
    scout.save_as(tmp_path / "scout")
    mixed = screen_folder(bench, tmp_path)
    plain = screened(SIEMENS.folder)
    assert numbers(mixed) == numbers(plain)
    assert mixed.screening.slice_spacing_mm == plain.screening.slice_spacing_mm
    assert mixed.screening.slices_total == plain.screening.slices_total


def test_the_series_of_lung_kernel_beside_it_is_not_chosen(
    bench: Bench, real_ct: Path, tmp_path: Path, screened: Callable[[str], StudyResult]
) -> None:
    shutil.copytree(real_ct / SIEMENS.folder, tmp_path / "study")
    twin_uid = generate_uid(entropy_srcs=["twin"])
    (tmp_path / "twin").mkdir()
    for number, (path, _) in enumerate(headers(tmp_path / "study")):
        twin = pydicom.dcmread(path)
        twin.SeriesInstanceUID, twin.ConvolutionKernel = twin_uid, "B70f"
        twin.SeriesDescription, twin.SeriesNumber = "Lung", 1
        twin.SOPInstanceUID = twin.file_meta.MediaStorageSOPInstanceUID = UID(f"{twin_uid[:58]}.{number}")
        twin.save_as(tmp_path / "twin" / f"{number}")
    result = screen_folder(bench, tmp_path)
    assert result.screening.series_uid == screened(SIEMENS.folder).screening.series_uid
    assert numbers(result) == numbers(screened(SIEMENS.folder))
    assert {row.series_uid: row.chosen for row in result.series}[twin_uid] is False


def test_an_enhanced_chest_is_refused(screened: Callable[[str], StudyResult]) -> None:
    assert screened("chest_ct_enhanced").screening.reason is Reason.CONTRAST_ENHANCED


def test_an_enhanced_chest_is_refused_by_its_image_when_the_tags_say_nothing(
    bench: Bench, real_ct: Path, tmp_path: Path
) -> None:
    for path, _ in headers(real_ct / "chest_ct_enhanced"):
        image = pydicom.dcmread(path)
        for keyword in [element.keyword for element in image if element.keyword.startswith("Contrast")]:
            delattr(image, keyword)
        image.StudyDescription = image.SeriesDescription = "CHEST"
        image.save_as(tmp_path / path.name)
    row = screen_folder(bench, tmp_path).screening
    assert row.reason is Reason.CONTRAST_ENHANCED
    assert "HU" in (row.detail or "")


@pytest.mark.parametrize(
    ("folder", "reasons"),
    [
        ("chest_ct_partial", {Reason.SPINE_NOT_COVERED}),
        ("sagittal_reformat", {Reason.DERIVED, Reason.NOT_AXIAL}),
    ],
)
def test_what_cannot_be_measured_is_refused(
    folder: str, reasons: set[Reason], screened: Callable[[str], StudyResult]
) -> None:
    row = screened(folder).screening
    assert row.outcome is Outcome.EXCLUDED
    assert row.reason in reasons
