"""Vertebrae that are brighter than their neighbours can be: fractured, fused or sclerotic, not strong.

A collapsed body is compacted and looks dense; measured, it would hide the osteoporosis that broke it.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def too_bright(hu: Sequence[float], limit_hu: float, least_kept: int) -> frozenset[int]:
    """Indices of the vertebrae to pass over, the brightest first, judged one at a time.

    Args:
        hu: trabecular attenuation of every vertebra of a study.
        limit_hu: a vertebra may lie this much above the median of the others.
        least_kept: so many vertebrae stay in any case.
    """
    kept = list(range(len(hu)))
    while len(kept) > max(least_kept, 2):
        brightest = max(kept, key=lambda index: hu[index])
        others = [hu[index] for index in kept if index != brightest]
        if hu[brightest] - median(others) <= limit_hu:
            break
        kept.remove(brightest)
    return frozenset(range(len(hu))) - frozenset(kept)
