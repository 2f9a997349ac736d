"""A volume over a source that is far away: images are listed first and delivered later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from tasks.dicom.header import parse_header
from tasks.dicom.instance import Instance
from tasks.dicom.pixel_data import Read
from tasks.dicom.stack import stack_planes
from tasks.outcomes import Failed, Reason
from tasks.volume.volume import Volume
from tests.dicom.files import ct_slice, file_bytes, ramp

Z_MM = (10.0, 12.0, 14.0, 16.0)


class Remote:
    """Four slices that are listed without sizes, and remember who asked for them."""

    is_local = False

    def __init__(self) -> None:
        files = (file_bytes(ct_slice(z, (ramp() + int(z)).astype(np.int16))) for z in Z_MM)
        self.files = dict(zip("0123", files, strict=True))
        self.bytes_read = 0
        self.wanted: list[list[str]] = []
        self.opened: list[str] = []

    def listed(self, change: Callable[[Instance], Instance] = lambda listed: listed) -> list[Instance]:
        index = (replace(self._delivered(name), size_bytes=0, pixel_offset=None) for name in self.files)
        return [change(instance) for instance in index]

    def want(self, instances: Sequence[Instance]) -> None:
        self.wanted.append([instance.source for instance in instances])

    def open(self, instance: Instance) -> tuple[Instance, Read]:
        data = self.files[instance.source]
        self.opened.append(instance.source)
        self.bytes_read += len(data)
        return self._delivered(instance.source), lambda offset, length: data[offset : offset + length]

    def close(self) -> None:
        self.files.clear()

    def _delivered(self, name: str) -> Instance:
        data = self.files[name]
        header = parse_header(name, len(data), lambda offset, length: data[offset : offset + length])
        assert isinstance(header, Instance)
        return header


def test_a_remote_image_is_known_from_its_own_bytes() -> None:
    remote = Remote()
    volume = Volume(stack_planes(remote.listed()), remote)
    volume.want([1, 3])
    np.testing.assert_array_equal(volume.hu(3), ramp() + 16 - 24)
    assert (remote.wanted, remote.opened) == ([["1", "3"]], ["3"])
    assert volume.cost.bytes_total is None
    assert volume.cost.bytes_read == len(remote.files["3"])


def test_what_is_decoded_is_not_wanted_again() -> None:
    remote = Remote()
    volume = Volume(stack_planes(remote.listed()), remote)
    volume.hu(1)
    volume.want([0, 1])
    assert remote.wanted == [["0"]]


def raised(listed: Instance) -> Instance:
    """The same image a tenth of a millimetre higher."""
    (frame,) = listed.frames
    assert frame.position_mm is not None
    x, y, z = frame.position_mm
    return replace(listed, frames=(replace(frame, position_mm=(x, y, z + 0.1)),))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda listed: replace(listed, study_uid="1.2.3.4.5.6"), "study_uid"),
        (lambda listed: replace(listed, series_uid="1.2.3.4.5.6"), "series_uid"),
        (lambda listed: replace(listed, sop_instance_uid=f"{listed.sop_instance_uid}.7"), "sop_instance_uid"),
        (lambda listed: replace(listed, rows=7), "rows"),
        (lambda listed: replace(listed, pixel_spacing_mm=(0.9, 0.9)), "pixel spacing"),
        (lambda listed: replace(listed, frames=listed.frames * 2), "number of frames"),
        (raised, "position"),
    ],
)
def test_another_image_than_the_one_listed_is_refused(
    change: Callable[[Instance], Instance], what: str
) -> None:
    remote = Remote()
    volume = Volume(stack_planes(remote.listed(change)), remote)
    with pytest.raises(Failed, match=f"another {what} than listed") as failed:
        volume.hu(3)
    assert failed.value.reason is Reason.UNREADABLE_FILE


def test_a_remote_image_that_ends_too_early_is_refused() -> None:
    remote = Remote()
    listed = remote.listed()
    remote.files["3"] = remote.files["3"][:-10]
    with pytest.raises(Failed) as failed:
        Volume(stack_planes(listed), remote).hu(3)
    assert failed.value.reason is Reason.TRUNCATED_PIXELS
