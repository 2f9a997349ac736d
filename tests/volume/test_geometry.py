"""The same patient in the same frame from any position; what a grid cannot express is refused."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest

from tasks.outcomes import Excluded, Reason
from tests.dicom.files import COLUMNS, ROWS, ct_slice, ramp
from tests.volume.slices import Z_MM, head_first, volume_of


def placed(
    picture: npt.NDArray[np.int16], orientation: list[int], corner: tuple[float, float]
) -> list[pydicom.Dataset]:
    slices = []
    for z in Z_MM:
        ds = ct_slice(z, np.ascontiguousarray(picture + int(z)).astype(np.int16))
        ds.ImageOrientationPatient = orientation
        ds.ImagePositionPatient = [*corner, z]
        slices.append(ds)
    return slices


LEFT, RIGHT = -100.0, -100.0 + 0.5 * (COLUMNS - 1)
FRONT, BACK = -110.5, -110.5 + 0.5 * (ROWS - 1)


@pytest.mark.parametrize(
    ("orientation", "corner", "seen"),
    [
        ([1, 0, 0, 0, 1, 0], (LEFT, FRONT), ramp()),
        ([-1, 0, 0, 0, 1, 0], (RIGHT, FRONT), ramp()[:, ::-1]),
        ([-1, 0, 0, 0, -1, 0], (RIGHT, BACK), ramp()[::-1, ::-1]),
        ([1, 0, 0, 0, -1, 0], (LEFT, BACK), ramp()[::-1]),
        ([0, 1, 0, 1, 0, 0], (LEFT, FRONT), ramp().T),
        ([0, 1, 0, -1, 0, 0], (RIGHT, FRONT), ramp().T[::-1]),
        ([0, -1, 0, 1, 0, 0], (LEFT, BACK), ramp().T[:, ::-1]),
        ([0, -1, 0, -1, 0, 0], (RIGHT, BACK), ramp().T[::-1, ::-1]),
    ],
)
def test_any_axis_aligned_orientation_gives_the_same_volume(
    tmp_path: Path, orientation: list[int], corner: tuple[float, float], seen: npt.NDArray[np.int16]
) -> None:
    datasets = placed(seen, orientation, corner)
    random.Random(1).shuffle(datasets)
    volume = volume_of(tmp_path, datasets)
    geometry = volume.geometry
    assert (geometry.rows, geometry.columns, geometry.pixel_mm) == (ROWS, COLUMNS, 0.5)
    assert geometry.origin_mm == pytest.approx((LEFT, FRONT))
    assert geometry.z_mm == pytest.approx(Z_MM)
    assert geometry.spacing_mm == pytest.approx(2)
    for index, z in enumerate(Z_MM):
        np.testing.assert_array_equal(volume.hu(index), ramp() + int(z) - 24)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, Reason.NOT_AXIAL),
        ({"ImageOrientationPatient": [0.866, 0.5, 0, -0.5, 0.866, 0]}, Reason.NOT_AXIAL),
        ({}, Reason.GANTRY_TILT),
        ({"PixelSpacing": [0.5, 0.6]}, Reason.ANISOTROPIC_PIXELS),
        ({"PixelSpacing": [0, 0]}, Reason.ANISOTROPIC_PIXELS),
        ({"PixelSpacing": None}, Reason.ANISOTROPIC_PIXELS),
    ],
)
def test_what_a_grid_cannot_express_is_refused(
    tmp_path: Path, change: dict[str, object], reason: Reason
) -> None:
    datasets = head_first(ramp())
    for index, ds in enumerate(datasets):
        ds.ImagePositionPatient = [-100, 3 * index, Z_MM[index]]  # apart in z and, for upright ones, in y
        for keyword, value in change.items():
            setattr(ds, keyword, value)
    with pytest.raises(Excluded) as excluded:
        volume_of(tmp_path, datasets)
    assert excluded.value.reason is reason


def test_slices_of_different_grids_are_refused(tmp_path: Path) -> None:
    datasets = [*head_first(ramp())[:3], ct_slice(16.0, ramp(ROWS + 2, COLUMNS))]
    with pytest.raises(Excluded) as excluded:
        volume_of(tmp_path, datasets)
    assert excluded.value.reason is Reason.UNEVEN_SPACING


def test_one_slice_is_no_volume(tmp_path: Path) -> None:
    with pytest.raises(Excluded) as excluded:
        volume_of(tmp_path, head_first(ramp())[:1])
    assert excluded.value.reason is Reason.TOO_FEW_SLICES
