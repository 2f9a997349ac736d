"""Slices come in HU, decoded once, from no more bytes than needed, whatever their encoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels.encoders.base import get_encoder  # noqa: F401 - registers the encoders
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless

from tasks.dicom.stack import stack_planes
from tasks.volume import volume as volume_module
from tasks.volume.geometry import SliceStack
from tasks.volume.volume import Volume
from tests.dicom.files import COLUMNS, ROWS, enhanced_ct, file_bytes, in_rle, ramp
from tests.volume.slices import head_first, instance_of, volume_of


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


def test_held_slices_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_module, "MAX_HELD_BYTES", 2 * ROWS * COLUMNS * 2)
    volume = volume_of(tmp_path, head_first(ramp()))
    first, last = volume.hu(0), volume.hu_many([1, 2])[-1]
    assert volume.hu(2) is last
    assert volume.hu(0) is not first
    np.testing.assert_array_equal(volume.hu(0), first)
    assert volume.cost.slices_read == 3


@pytest.mark.parametrize("index", [-1, 4])
def test_no_such_slice(tmp_path: Path, index: int) -> None:
    with pytest.raises(IndexError):
        volume_of(tmp_path, head_first(ramp())).hu(index)


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


def test_reduced_slices_of_any_encoding(tmp_path: Path) -> None:
    small = volume_of(tmp_path, head_first(ramp())).hu_reduced(0, 1)
    assert small.shape == (ROWS // 2, COLUMNS // 2)
    full = (ramp() + 10 - 24).astype(float)
    blocks = full.reshape(ROWS // 2, 2, COLUMNS // 2, 2).mean(axis=(1, 3))
    np.testing.assert_array_equal(small, np.rint(blocks))
