"""Whether what a region of interest shows can be trabecular bone, as a table; and how noisy it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np
import numpy.typing as npt

from tasks.locate.plausibility import Check
from tasks.outcomes import Excluded, Warn
from tasks.volume.geometry import HuImage, SliceStack

#: Slices are compared by means of blocks of so many pixels, so that noise does not part them.
BLOCK = 4
#: Above this it is bone, which differs more from slice to slice than soft tissue, lung and air do.
BRIGHTEST_HU = 400
#: With fewer slices in a slab its neighbours are compared too: at such a distance they were looked at before.
FEWEST_COMPARED = 3


@dataclass(frozen=True, slots=True)
class Region:
    """What a region of interest shows.

    Attributes:
        hu: mean over region and slab.
        uneven_hu: standard deviation in the region of the slab, smoothed so that noise does not count.
        slice_hu: mean in the region of every slice of the slab.
        likeness: least correlation of neighbouring slices, whole; 1 when there is one slice.
    """

    hu: float
    uneven_hu: float
    slice_hu: tuple[float, ...]
    likeness: float


#: One region; the first row that fails leaves its vertebra unmeasured.
REGION_CHECKS: tuple[Check[Region], ...] = (
    Check(
        "trabecular bone",
        "its attenuation (HU)",
        lambda region: region.hu,
        -60.0,
        480.0,
        "fatty marrow (−50) to the densest young adult (400), as the coarse look has it: cement and implants "
        "may show only in the slices measured",
    ),
    Check(
        "trabecular bone is even",
        "standard deviation without noise (HU)",
        lambda region: region.uneven_hu,
        0.0,
        90.0,
        "8 to 45 on real CT; 90 and more with a fifth of the region filled by cement of 750 HU",
    ),
    Check(
        "slices of a vertebra agree",
        "the most that they differ by (HU)",
        lambda region: max(region.slice_hu) - min(region.slice_hu),
        0.0,
        250.0,
        "up to 150 in dense or noisy bone on real CT, also with 100 HU of noise added",
    ),
    Check(
        "slices belong together",
        "least correlation of neighbours",
        lambda region: region.likeness,
        0.9,
        1.0,
        "neighbours on real and generated CT 0.95 and more; slices of two patients at most 0.86",
    ),
)


def refuse_doubtful(region: Region) -> None:
    """Refuse what cannot be trabecular bone.

    Raises:
        Excluded: `implausible_anatomy`, naming the check, the value and the limits.
    """
    for check in REGION_CHECKS:
        failure = check.failure(region)
        if failure is not None:
            raise Excluded(check.reason, failure)


def least_likeness(stack: SliceStack, slab: Sequence[int]) -> float:
    """Least correlation, −1 to 1, of neighbouring slices of a slab (ascending indices)."""
    compared = list(slab)
    if len(compared) < FEWEST_COMPARED:
        compared = list(range(max(slab[0] - 1, 0), min(slab[-1] + 1, stack.geometry.slices - 1) + 1))
    seen = [_blocks(stack.hu(index)) for index in compared]
    return min((_correlation(one, other) for one, other in pairwise(seen)), default=1.0)


def noise_doubts(sd_hu: Sequence[float], limit_hu: float) -> tuple[Warn, ...]:
    """`noisy` when the pixels of most vertebrae vary by more than `limit_hu`, standard deviation."""
    return (Warn.NOISY,) if sd_hu and median(sd_hu) > limit_hu else ()


def _blocks(image: HuImage) -> npt.NDArray[np.float32]:
    rows, columns = (BLOCK * (size // BLOCK) for size in image.shape)
    clipped = np.minimum(image[:rows, :columns], BRIGHTEST_HU)
    blocks = clipped.reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
    means: npt.NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means


def _correlation(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """Correlation of two images; 0 when one of them shows nothing."""
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return min(float((one * other).sum()) / size, 1.0) if size > 0.0 else 0.0
