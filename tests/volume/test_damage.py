"""What is cut short, gone, or claims too much ends with its reason."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.dicom.stack import stack_planes
from tasks.outcomes import Failed, Reason
from tasks.volume.volume import Volume
from tests.dicom.files import file_bytes, ramp
from tests.volume.slices import head_first, instance_of, volume_of


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
