"""Lengths that are no millimetres: pixel spacing or slice distance wrong by a factor, in the whole series."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tasks.archive.folder import FolderArchive
from tasks.locate.anatomy import Body
from tasks.locate.levels import SPACING_MM
from tasks.locate.locate import locate
from tasks.locate.patches import Grid
from tasks.locate.sections import STEP_MM, Section
from tasks.locate.sizes import SIZE_CHECKS, Sizes, measure_sizes
from tasks.outcomes import Excluded
from tasks.select.series import select_series
from tasks.settings import Eligibility, Settings
from tasks.volume.geometry import Geometry, HuImage
from tasks.volume.volume import Volume

SETTINGS = Settings(eligibility=Eligibility(unknown_age="warn"))
ADULT = Sizes(lungs_width_mm=260.0, lungs_depth_mm=180.0, stature=1.03, slenderness=0.9)
CHESTS = ("chest_ct_unenhanced", "chest_ct_philips_ffs", "chest_ct_siemens_3mm", "chest_ct_philips_5mm")
# (in the slice, along the body): factors that the size and shape of a person give away on every real chest.
CAUGHT = ((0.7, 1.0), (1.5, 1.0), (1.0, 0.7), (1.0, 1.5), (0.7, 0.7), (1.5, 1.5))
# 1.25 lies within what people differ by; it is caught where header and header differ (tests/select).
QUICK_CHEST, QUICK = "chest_ct_philips_5mm", ((0.7, 1.0), (1.0, 1.5), (0.7, 0.7))


def failures(sizes: Sizes) -> list[str]:
    return [check.name for check in SIZE_CHECKS if check.failure(sizes) is not None]


@pytest.mark.parametrize(
    "sizes",
    [
        ADULT,
        Sizes(lungs_width_mm=195.0, lungs_depth_mm=120.0, stature=0.85, slenderness=0.8),
        Sizes(lungs_width_mm=345.0, lungs_depth_mm=240.0, stature=1.28, slenderness=1.0),
        replace(ADULT, lungs_width_mm=140.0),
        replace(ADULT, slenderness=0.68),
        replace(ADULT, stature=float("nan"), slenderness=float("nan")),
    ],
    ids=["middle", "small woman", "tall man", "one lung", "osteophytes", "no names"],
)
def test_people_of_every_size_pass(sizes: Sizes) -> None:
    assert failures(sizes) == []


@pytest.mark.parametrize(
    ("row", "sizes"),
    [
        (0, replace(ADULT, lungs_width_mm=390.0)),
        (0, replace(ADULT, lungs_width_mm=125.0)),
        (1, replace(ADULT, lungs_depth_mm=270.0)),
        (1, replace(ADULT, lungs_depth_mm=80.0)),
        (2, replace(ADULT, stature=0.78)),
        (2, replace(ADULT, stature=1.5)),
        (3, replace(ADULT, slenderness=0.58)),
        (3, replace(ADULT, slenderness=1.3)),
    ],
)
def test_each_row_refuses(row: int, sizes: Sizes) -> None:
    assert failures(sizes) == [SIZE_CHECKS[row].name]


def _train(*z_mm: float) -> list[Body]:
    return [Body(0.0, 0.0, z, z + 11.0, z - 11.0, 36.0, 25.0, confidence=1.0) for z in z_mm]


def _section(rows: slice, columns: slice) -> Section:
    lung = np.zeros((150, 200), dtype=np.bool_)
    lung[rows, columns] = True
    grid = Grid(0.0, 0.0, 200, 150, STEP_MM)
    return Section(0, 0.0, grid, np.zeros(lung.shape, np.float32), lung, lung)


def test_lungs_are_measured_where_there_is_much_of_them() -> None:
    chest, bowel = _section(slice(20, 110), slice(30, 160)), _section(slice(100, 105), slice(0, 200))
    sizes = measure_sizes([bowel, chest], _train(0.0), _train(0.0))
    assert (sizes.lungs_width_mm, sizes.lungs_depth_mm) == (130 * STEP_MM, 90 * STEP_MM)
    assert np.isnan([sizes.stature, sizes.slenderness]).all()


def test_a_train_is_measured_by_its_names_and_by_its_sound_bodies() -> None:
    named = [
        replace(body, level=level)
        for body, level in zip(_train(0, 33, 63.5), ("L1", "T12", "T11"), strict=True)
    ]
    spoiled = replace(named[0], width_mm=60.0, depth_mm=60.0)
    sizes = measure_sizes([_section(slice(20, 110), slice(30, 160))], [spoiled, *named[1:]], named[1:])
    expected = np.median([33.0 / SPACING_MM[11], 30.5 / SPACING_MM[10]])
    assert sizes.stature == pytest.approx(expected)
    assert sizes.slenderness == pytest.approx(31.75 / 30.0)


class Rescaled:
    """A volume whose pixel spacing and slice positions are wrong by factors."""

    def __init__(self, volume: Volume, in_plane: float, along: float) -> None:
        self._volume = volume
        true = volume.geometry
        self.geometry: Geometry = replace(
            true,
            pixel_mm=true.pixel_mm * in_plane,
            origin_mm=(true.origin_mm[0] * in_plane, true.origin_mm[1] * in_plane),
            z_mm=tuple(z * along for z in true.z_mm),
            spacing_mm=true.spacing_mm * along,
        )

    def want(self, indices: Iterable[int]) -> None:
        self._volume.want(indices)

    def hu(self, index: int) -> HuImage:
        return self._volume.hu(index)


@pytest.fixture(scope="module")
def volume_of(real_ct: Path) -> Callable[[str], Volume]:
    """The volume of a real chest, opened once, so that its slices are decoded once."""
    opened: dict[str, Volume] = {}

    def volume(chest: str) -> Volume:
        if chest not in opened:
            scan = FolderArchive(real_ct / chest).scan()
            opened[chest] = Volume(select_series(scan.study(scan.studies[0].study_uid), SETTINGS).stack)
        return opened[chest]

    return volume


@pytest.mark.real_ct
@pytest.mark.parametrize("factors", QUICK)
def test_a_wrong_scale_is_refused(volume_of: Callable[[str], Volume], factors: tuple[float, float]) -> None:
    with pytest.raises(Excluded):
        locate(Rescaled(volume_of(QUICK_CHEST), *factors), SETTINGS)


@pytest.mark.slow
@pytest.mark.real_ct
@pytest.mark.parametrize("factors", CAUGHT)
@pytest.mark.parametrize("chest", CHESTS)
def test_a_wrong_scale_is_refused_on_every_real_chest(
    volume_of: Callable[[str], Volume], chest: str, factors: tuple[float, float]
) -> None:
    with pytest.raises(Excluded):
        locate(Rescaled(volume_of(chest), *factors), SETTINGS)


@pytest.mark.real_ct
@pytest.mark.parametrize(
    "chest", [QUICK_CHEST, *(pytest.param(c, marks=pytest.mark.slow) for c in CHESTS[:3])]
)
def test_the_true_scale_passes(volume_of: Callable[[str], Volume], chest: str) -> None:
    assert len(locate(volume_of(chest), SETTINGS).bodies) >= 2
