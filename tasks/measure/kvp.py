"""Attenuation at other tube voltages, as it would be at 120 kVp.

Bone is brighter at lower voltages. The conversion is the ratio of population means, so it is right for the
average patient; it is stated beside the measured value, never instead of it.
"""

from __future__ import annotations

from itertools import pairwise

from tasks.outcomes import Warn
from tasks.settings import TubeVoltage

REFERENCE_KVP = 120


def to_120_kvp(hu: float, kvp: float | None, table: TubeVoltage) -> tuple[float | None, tuple[Warn, ...]]:
    """Trabecular HU as it would be at 120 kVp: times the ratio of the mean at 120 kVp to the mean at `kvp`.

    Between the voltages of the table the mean is interpolated; beyond them the last slope goes on, which is
    known to say too little below 100 kVp, and is warned of.

    Returns:
        The converted value and warnings; None with `kvp_unknown` when the voltage is absent or not one that a
        CT scanner has.
    """
    low, high = table.usable_kvp
    if kvp is None or not low <= kvp <= high:
        return None, (Warn.KVP_UNKNOWN,)
    voltages = sorted(table.mean_hu)
    inside = voltages[0] <= kvp <= voltages[-1]
    factor = table.mean_hu[REFERENCE_KVP] / _mean_hu(kvp, table.mean_hu)
    return hu * factor, () if inside else (Warn.KVP_EXTRAPOLATED,)


def _mean_hu(kvp: float, means: dict[int, float]) -> float:
    segments = list(pairwise(sorted(means)))
    below, above = next((pair for pair in segments if kvp <= pair[1]), segments[-1])
    share = (kvp - below) / (above - below)
    return means[below] + share * (means[above] - means[below])
