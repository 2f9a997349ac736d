from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.measure.doubts import REGION_CHECKS, Region, noise_doubts, refuse_doubtful
from tasks.outcomes import Excluded, Reason, Warn

SOUND = Region(hu=150.0, uneven_hu=20.0, slice_hu=(140.0, 155.0, 150.0), likeness=0.98)


def test_sound_bone_passes() -> None:
    refuse_doubtful(SOUND)
    refuse_doubtful(replace(SOUND, slice_hu=(150.0,), likeness=1.0))


@pytest.mark.parametrize(
    ("row", "region"),
    [
        (0, replace(SOUND, hu=-100.0)),
        (0, replace(SOUND, hu=600.0)),
        (1, replace(SOUND, uneven_hu=140.0)),
        (2, replace(SOUND, slice_hu=(-1000.0, 150.0))),
        (3, replace(SOUND, likeness=0.8)),
    ],
)
def test_each_row_refuses(row: int, region: Region) -> None:
    with pytest.raises(Excluded, match=REGION_CHECKS[row].name) as refusal:
        refuse_doubtful(region)
    assert refusal.value.reason is Reason.IMPLAUSIBLE_ANATOMY


@pytest.mark.parametrize(
    ("sd_hu", "doubts"),
    [((), ()), ((20.0, 90.0, 30.0), ()), ((95.0, 90.0, 30.0), (Warn.NOISY,)), ((81.0,), (Warn.NOISY,))],
)
def test_noise_counts_where_most_vertebrae_show_it(
    sd_hu: tuple[float, ...], doubts: tuple[Warn, ...]
) -> None:
    assert noise_doubts(sd_hu, 80.0) == doubts
