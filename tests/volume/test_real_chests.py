"""Volumes of real CT, held against SimpleITK and against their own copies."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 - its customary name

from tasks.dicom.stack import stack_planes
from tasks.outcomes import Failed, Reason
from tasks.volume.volume import Volume
from tests.volume.slices import instance_of


@pytest.mark.real_ct
@pytest.mark.parametrize(
    "series",
    [
        "chest_ct_unenhanced",
        "chest_ct_philips_ffs",
        "chest_ct_siemens_3mm",
        "chest_ct_philips_5mm",
        "chest_ct_partial",
        "chest_ct_enhanced",
    ],
)
def test_real_chests_agree_with_simpleitk(real_ct: Path, series: str) -> None:
    stack = stack_planes([instance_of(path) for path in (real_ct / series).iterdir()])
    volume = Volume(stack)
    geometry = volume.geometry
    for index in (0, geometry.slices // 2, geometry.slices - 1):
        image = sitk.ReadImage(stack.planes[index].instance.source)
        theirs = np.maximum(sitk.GetArrayFromImage(image)[0], -1024)
        np.testing.assert_array_equal(volume.hu(index), theirs)
        origin = image.GetOrigin()  # type: ignore[no-untyped-call]
        assert origin == pytest.approx((*geometry.origin_mm, geometry.z_mm[index]), abs=1e-3)
    assert volume.cost.slices_read == 3


@pytest.mark.real_ct
def test_a_feet_first_copy_of_a_real_chest_is_the_same_volume(real_ct: Path, tmp_path: Path) -> None:
    paths = sorted((real_ct / "chest_ct_siemens_3mm").iterdir())[:12]
    turned = []
    for index, path in enumerate(paths):
        ds = pydicom.dcmread(path)
        ds.decompress()
        ds.PixelData = np.ascontiguousarray(ds.pixel_array[:, ::-1]).tobytes()
        x, y, z = ds.ImagePositionPatient
        ds.ImagePositionPatient = [x + (ds.Columns - 1) * ds.PixelSpacing[1], y, z]
        ds.ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]
        ds.PatientPosition = "FFS"
        ds.InstanceNumber = 999 - index
        ds.save_as(tmp_path / f"{len(paths) - index}")
        turned.append(instance_of(tmp_path / f"{len(paths) - index}"))
    ours = Volume(stack_planes(turned))
    original = Volume(stack_planes([instance_of(path) for path in paths]))
    assert ours.geometry.z_mm == original.geometry.z_mm
    assert ours.geometry.origin_mm == pytest.approx(original.geometry.origin_mm, abs=1e-3)
    for index in (0, 6, 11):
        np.testing.assert_array_equal(ours.hu(index), original.hu(index))


@pytest.mark.real_ct
def test_a_truncated_real_slice_fails(real_ct: Path, tmp_path: Path) -> None:
    for series in ("chest_ct_unenhanced", "chest_ct_philips_5mm"):
        folder = tmp_path / series
        shutil.copytree(real_ct / series, folder)
        paths = sorted(folder.iterdir())[:20]
        cut = paths[7].read_bytes()[:-5000]
        paths[7].unlink()
        paths[7].write_bytes(cut)
        volume = Volume(stack_planes([instance_of(path) for path in paths]))
        with pytest.raises(Failed) as failed:
            volume.hu(0)
        assert failed.value.reason is Reason.TRUNCATED_PIXELS
