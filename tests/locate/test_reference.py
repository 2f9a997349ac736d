"""Images that face another way than they say, or whose values are no Hounsfield units."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.archive.folder import FolderArchive
from tasks.locate.anatomy import Aorta
from tasks.locate.locate import locate
from tasks.locate.reference import check_scale
from tasks.outcomes import Excluded, Reason
from tasks.select.series import select_series
from tasks.settings import Eligibility, Settings
from tasks.volume.geometry import Geometry, HuImage
from tasks.volume.volume import Volume

BLOOD = Aorta(hu=45.0, slices=9, x_mm=0.0, y_mm=0.0, z_mm=0.0)


def test_muscle_and_blood_as_they_are_pass() -> None:
    check_scale(45.0, BLOOD)
    check_scale(None, BLOOD)
    check_scale(45.0, None)


@pytest.mark.parametrize(
    ("muscle_hu", "aorta"),
    [(-55.0, BLOOD), (45.0, replace(BLOOD, hu=-8.0)), (None, replace(BLOOD, hu=-8.0)), (None, None)],
)
def test_a_scale_that_is_not_hounsfields_is_refused(muscle_hu: float | None, aorta: Aorta | None) -> None:
    with pytest.raises(Excluded) as refusal:
        check_scale(muscle_hu, aorta)
    assert refusal.value.reason is Reason.IMPLAUSIBLE_ANATOMY


class _FrontToBack:
    """A volume whose images are upside down, as after a wrong patient position."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    @property
    def geometry(self) -> Geometry:
        return self._volume.geometry

    def want(self, _indices: Iterable[int]) -> None:
        """Drawn slices are at hand."""

    def hu(self, index: int) -> HuImage:
        return self._volume.hu(index)[::-1]


@pytest.mark.real_ct
@pytest.mark.parametrize("chest", ["chest_ct_unenhanced", "chest_ct_siemens_3mm", "chest_ct_philips_5mm"])
def test_a_real_chest_turned_front_to_back_is_refused(real_ct: Path, chest: str) -> None:
    settings = Settings(eligibility=Eligibility(unknown_age="warn"))
    scan = FolderArchive(real_ct / chest).scan()
    volume = Volume(select_series(scan.study(scan.studies[0].study_uid), settings).stack)
    with pytest.raises(Excluded) as refusal:
        locate(_FrontToBack(volume), settings)
    assert refusal.value.reason is Reason.IMPLAUSIBLE_ANATOMY
