"""Stored values become Hounsfield units, or are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.outcomes import Failed, Reason
from tests.dicom.files import COLUMNS, ROWS, ct_slice, ramp
from tests.volume.slices import Z_MM, head_first, volume_of


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
