"""Volumes: the same patient in the same frame from any position, in HU, from no more bytes than needed."""

from __future__ import annotations

import errno
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 - its customary name
from pydicom.pixels.encoders.base import get_encoder  # noqa: F401 - registers the encoders
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless

from tasks.dicom.header import read_header
from tasks.dicom.instance import Instance
from tasks.dicom.stack import stack_planes
from tasks.outcomes import Excluded, Failed, Reason
from tasks.volume import volume as volume_module
from tasks.volume.geometry import SliceStack
from tasks.volume.volume import Volume
from tests.dicom.files import COLUMNS, ROWS, ct_slice, enhanced_ct, file_bytes, in_rle, ramp

Position = tuple[float, float, float]
Z_MM = (10.0, 12.0, 14.0, 16.0)


def volume_of(tmp_path: Path, datasets: list[pydicom.Dataset], syntax: UID | None = None) -> Volume:
    instances = []
    for index, ds in enumerate(datasets):
        path = tmp_path / f"{index}"
        path.write_bytes(file_bytes(ds, syntax) if syntax else file_bytes(ds))
        instances.append(instance_of(path))
    return Volume(stack_planes(instances))


def instance_of(path: Path) -> Instance:
    instance = read_header(path, path.stat().st_size)
    assert isinstance(instance, Instance)
    return instance


def head_first(picture: npt.NDArray[np.int16]) -> list[pydicom.Dataset]:
    """The reference: pixel (0, 0) at x −100, y −110.5."""
    return [ct_slice(z, (picture + int(z)).astype(np.int16)) for z in Z_MM]


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


def test_slices_are_read_only_and_decoded_once(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, head_first(ramp()))
    stack: SliceStack = volume
    first = stack.hu(1)
    before = volume.cost
    assert stack.hu(1) is first
    assert volume.hu_many([1, 1])[0] is first
    assert volume.cost == before
    assert not first.flags.writeable
    assert (before.slices_total, before.slices_read) == (4, 1)


def test_no_more_is_read_than_the_pixels_asked_for(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, head_first(ramp()))
    assert volume.cost.bytes_read == 0
    volume.hu_many([0, 3])
    assert volume.cost.bytes_read == 2 * ROWS * COLUMNS * 2
    assert volume.cost.bytes_total == sum(path.stat().st_size for path in tmp_path.iterdir())


@pytest.mark.parametrize("syntax", [RLELossless, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_encodings_give_the_same_volume(tmp_path: Path, syntax: UID) -> None:
    datasets = head_first(ramp())
    if syntax == RLELossless:
        datasets = [in_rle(ds) for ds in datasets]
    volume = volume_of(tmp_path, datasets, syntax)
    np.testing.assert_array_equal(volume.hu(2), ramp() + 14 - 24)


def test_forgotten_slices_are_decoded_again(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, head_first(ramp()))
    first = volume.hu(0)
    volume.forget([0])
    assert volume.hu(0) is not first
    np.testing.assert_array_equal(volume.hu(0), first)
    volume.forget()
    assert volume.cost.slices_read == 1


def test_held_slices_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_module, "MAX_HELD_BYTES", 2 * ROWS * COLUMNS * 2)
    volume = volume_of(tmp_path, head_first(ramp()))
    first, last = volume.hu(0), volume.hu_many([1, 2])[-1]
    assert volume.hu(2) is last
    assert volume.hu(0) is not first


@pytest.mark.parametrize("index", [-1, 4])
def test_no_such_slice(tmp_path: Path, index: int) -> None:
    with pytest.raises(IndexError):
        volume_of(tmp_path, head_first(ramp())).hu(index)


def test_each_slice_has_its_own_rescale_and_fractions_are_rounded(tmp_path: Path) -> None:
    datasets = head_first(ramp())
    datasets[1].RescaleSlope, datasets[1].RescaleIntercept = "1.5", "-1000.25"
    volume = volume_of(tmp_path, datasets)
    np.testing.assert_array_equal(volume.hu(0), ramp() + 10 - 24)
    expected = np.maximum(np.rint((ramp() + 12) * 1.5 - 1000.25), -1024)
    np.testing.assert_array_equal(volume.hu(1), expected)


@pytest.mark.parametrize(
    ("padding", "limit", "stored", "hu"),
    [
        (-2000, None, -2000, -1024),
        (-3000, -1500, -1800, -1024),
        (-32768, None, -32768, -1024),
        (5000, None, 5000, -1024),
        (5000, None, 4999, 4975),
        (0, None, 0, -24),  # a padding value among tissue is not believed
        (None, None, -1500, -1024),
        (None, None, 32767, 32743),
    ],
)
def test_padding_and_the_floor(
    tmp_path: Path, padding: int | None, limit: int | None, stored: int, hu: int
) -> None:
    datasets = [ct_slice(z, np.full((ROWS, COLUMNS), stored, np.int16)) for z in Z_MM]
    for ds in datasets:
        if padding is not None:
            ds.PixelPaddingValue = padding
        if limit is not None:
            ds.PixelPaddingRangeLimit = limit
    assert (volume_of(tmp_path, datasets).hu(0) == hu).all()


@pytest.mark.parametrize("slope", ["0", "-1"])
def test_a_rescale_that_is_none_is_refused(tmp_path: Path, slope: str) -> None:
    datasets = head_first(ramp())
    datasets[0].RescaleSlope = slope
    with pytest.raises(Failed) as failed:
        volume_of(tmp_path, datasets).hu(0)
    assert failed.value.reason is Reason.UNREADABLE_FILE


def test_enhanced_multi_frame_reads_single_frames(tmp_path: Path) -> None:
    frames = np.stack([ramp() + k for k in range(3)]).astype(np.int16)
    path = tmp_path / "enhanced"
    path.write_bytes(file_bytes(enhanced_ct([30.0, 20.0, 10.0], frames)))
    volume = Volume(stack_planes([instance_of(path)]))
    assert volume.geometry.z_mm == pytest.approx((10, 20, 30))
    np.testing.assert_array_equal(volume.hu(0), np.maximum(ramp() + 2 - 1002, -1024))
    np.testing.assert_array_equal(volume.hu(2), np.maximum(ramp() - 1000, -1024))
    assert volume.cost.bytes_read == 2 * ROWS * COLUMNS * 2
    assert volume.cost.slices_total == 3


@pytest.mark.parametrize("has_table", [True, False])
def test_encapsulated_multi_frame_reads_single_frames(tmp_path: Path, has_table: bool) -> None:
    frames = np.stack([ramp() + k for k in range(3)]).astype(np.int16)
    ds = in_rle(enhanced_ct([30.0, 20.0, 10.0], frames))
    if not has_table:
        whole = pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=3)
        ds.PixelData = pydicom.encaps.encapsulate(list(whole), has_bot=False)
    path = tmp_path / "enhanced"
    path.write_bytes(file_bytes(ds, RLELossless))
    volume = Volume(stack_planes([instance_of(path)]))
    np.testing.assert_array_equal(volume.hu(1), np.maximum(ramp() + 1 - 1001, -1024))
    np.testing.assert_array_equal(volume.hu(0), np.maximum(ramp() + 2 - 1002, -1024))


def truncated(data: bytes) -> bytes:
    return data[: len(data) - 100]


def test_a_truncated_slice_fails_the_stack_even_when_another_is_asked_for(tmp_path: Path) -> None:
    volume_of(tmp_path, head_first(ramp()))
    (tmp_path / "2").write_bytes(truncated((tmp_path / "2").read_bytes()))
    volume = Volume(stack_planes([instance_of(tmp_path / f"{k}") for k in range(4)]))
    with pytest.raises(Failed) as failed:
        volume.hu(0)
    assert failed.value.reason is Reason.TRUNCATED_PIXELS


def test_a_file_that_shrinks_after_the_scan_is_truncated(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, head_first(ramp()))
    (tmp_path / "0").write_bytes(truncated((tmp_path / "0").read_bytes()))
    with pytest.raises(Failed) as failed:
        volume.hu(0)
    assert failed.value.reason is Reason.TRUNCATED_PIXELS


def test_a_file_that_is_gone_is_an_unavailable_archive(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, head_first(ramp()))
    (tmp_path / "0").unlink()
    with pytest.raises(Failed) as failed:
        volume.hu(0)
    assert failed.value.reason is Reason.ARCHIVE_UNAVAILABLE
    assert str(tmp_path) not in str(failed.value)
    assert errno.errorcode[errno.ENOENT] in failed.value.detail


def test_a_file_that_can_never_be_read_is_unreadable(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, head_first(ramp()))
    (tmp_path / "0").unlink()
    (tmp_path / "0").mkdir()
    with pytest.raises(Failed) as failed:
        volume.hu(0)
    assert failed.value.reason is Reason.UNREADABLE_FILE


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


@pytest.mark.parametrize(
    "change",
    [{"Rows": 60_000, "Columns": 60_000}, {"SamplesPerPixel": 3}, {"BitsAllocated": 32}, {"Rows": 5000}],
)
def test_a_header_that_claims_too_much_is_refused_unread(tmp_path: Path, change: dict[str, int]) -> None:
    datasets = head_first(ramp())
    instances = []
    for index, ds in enumerate(datasets):
        data = file_bytes(ds)
        path = tmp_path / f"{index}"
        path.write_bytes(data)
        names = {"Rows": "rows", "Columns": "columns", "SamplesPerPixel": "samples_per_pixel"}
        fields = {names.get(key, "bits_allocated"): value for key, value in change.items()}
        instances.append(replace(instance_of(path), **fields))  # type: ignore[arg-type]
    with pytest.raises(Failed) as failed:
        Volume(stack_planes(instances))
    assert failed.value.reason is Reason.UNDECODABLE_PIXELS


def test_an_unknown_transfer_syntax_is_refused_unread(tmp_path: Path) -> None:
    volume_of(tmp_path, head_first(ramp()))
    instances = [instance_of(tmp_path / f"{k}") for k in range(4)]
    unknown = [replace(instance, transfer_syntax_uid="1.2.840.10008.1.2.4.55") for instance in instances]
    with pytest.raises(Failed) as failed:
        Volume(stack_planes(unknown))
    assert failed.value.reason is Reason.UNDECODABLE_PIXELS


def test_reduced_slices_of_any_encoding(tmp_path: Path) -> None:
    small = volume_of(tmp_path, head_first(ramp())).hu_reduced(0, 1)
    assert small.shape == (ROWS // 2, COLUMNS // 2)
    full = (ramp() + 10 - 24).astype(float)
    blocks = full.reshape(ROWS // 2, 2, COLUMNS // 2, 2).mean(axis=(1, 3))
    np.testing.assert_array_equal(small, np.rint(blocks))


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
