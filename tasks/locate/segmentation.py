"""Cutting the column into vertebrae: the most likely train of disc centres, by dynamic programming.

A vertebra reaches from the middle of one disc to the middle of the next. Each cue is compared with what it
looks like over one vertebra, stretched to its length; neighbours are about equally long. The whole train is
fitted at once, so that a single odd profile cannot shift it by half a vertebra.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tasks.locate.profiles import Profiles
from tasks.locate.straight import FloatArray

#: Distance of neighbouring disc centres, mm: 17 (small T4) to 42 (large L3), with margin for compression.
SHORTEST_MM, LONGEST_MM = 15, 45
#: Neighbours differ in length by about this (standard deviation of the logarithm of the ratio).
RATIO_SIGMA = 0.14
#: What one standard deviation of such a difference costs, in millimetres of perfectly fitting profile.
RATIO_COST_MM = 2.0
#: Profiles are judged against their surroundings, three vertebrae long.
SURROUNDINGS_MM = 75
#: Least swing of a cue that counts as full (HU; for endplates, share of the section): less is taken as noise.
LEAST_SWING = {"pedicle": 60.0, "waist": 60.0, "endplate": 0.35}
#: Weight of each cue; their sum is 1.
WEIGHT = {"pedicle": 0.4, "waist": 0.3, "endplate": 0.3}
#: A disc of the other hypothesis lies at least this share of a vertebra away from every disc of the first.
SHIFT = 0.25


@dataclass(frozen=True, slots=True)
class Train:
    """A train of discs.

    Attributes:
        discs: plane of each disc centre, ascending; the first and the last may lie outside of the planes.
        score: mean agreement of the cues along it, −1 to 1.
        cues: agreement of each cue by itself, −1 to 1.
    """

    discs: tuple[int, ...]
    score: float
    cues: dict[str, float]


@dataclass(frozen=True, slots=True)
class Segmentation:
    """The best train, the best one that contradicts it, and the cues as they were compared.

    Attributes:
        train: the best.
        other: the best train whose discs all lie in the bodies of the first.
        cues: each cue scaled to −1 to 1, one value per plane, 0 where unknown.
    """

    train: Train
    other: Train
    cues: dict[str, FloatArray]

    @property
    def margin(self) -> float:
        """How much better the best train fits than the one shifted by about half a vertebra."""
        return self.train.score - self.other.score


def segment(profiles: Profiles) -> Segmentation:
    """The most likely train of vertebrae along the profiles, 1 mm a plane."""
    cues = {
        "pedicle": _scaled(_both(profiles.pedicle_left, profiles.pedicle_right), LEAST_SWING["pedicle"]),
        "waist": _scaled(profiles.waist, LEAST_SWING["waist"]),
        "endplate": _scaled(profiles.endplate, LEAST_SWING["endplate"]),
    }
    gain = _gains(cues)
    allowed = np.ones(gain.shape[0], dtype=np.bool_)
    train = _judge(_best_train(gain, allowed), cues)
    return Segmentation(train, _judge(_best_train(gain, ~_near(train.discs, len(allowed))), cues), cues)


def template(cue: str, length: int) -> FloatArray:
    """What a cue looks like from one disc centre to the next, `length` planes, mean 0, largest swing 1."""
    phase = (np.arange(length) + 0.5) / length
    if cue == "pedicle":
        shape = -np.cos(2 * np.pi * (phase - PEDICLE_LOWEST_PHASE))
    elif cue == "waist":
        shape = np.cos(2 * np.pi * phase)
    else:
        edge = np.minimum(phase, 1.0 - phase) * length
        shape = np.where(edge < 0.25 * length, 1.0, -1.0)
        shape[edge < DISC_CENTRE_MM] = DISC_CENTRE
    centred: FloatArray = shape - shape.mean()
    return centred


#: The foramen is widest this share of a vertebra above the disc: 0.1 in the lumbar, 0.4 in the mid-thoracic
#: spine, where pedicles sit at the very top of the body.
PEDICLE_LOWEST_PHASE = 0.22


#: The endplates stand on both sides of the centre of the disc, which is dark, unless they merge there.
DISC_CENTRE_MM, DISC_CENTRE = 1.6, 0.2


def _both(left: FloatArray, right: FloatArray) -> FloatArray:
    return np.where(np.isfinite(left) & np.isfinite(right), 0.5 * (left + right), np.nan)


def _scaled(profile: FloatArray, least_swing: float) -> FloatArray:
    known = np.isfinite(profile)
    if known.sum() < SHORTEST_MM:
        return np.zeros_like(profile)
    filled = np.interp(np.arange(len(profile)), np.flatnonzero(known), profile[known])
    filled = ndimage.gaussian_filter1d(filled, 1.0, mode="nearest")
    low = ndimage.percentile_filter(filled, 10, SURROUNDINGS_MM, mode="nearest")
    high = ndimage.percentile_filter(filled, 90, SURROUNDINGS_MM, mode="nearest")
    low, high = (ndimage.gaussian_filter1d(line, 10.0, mode="nearest") for line in (low, high))
    swing = np.maximum(high - low, least_swing)
    scaled: FloatArray = np.where(
        known, np.clip((filled - 0.5 * (low + high)) / (0.5 * swing), -1.2, 1.2), 0.0
    )
    return scaled


def _gains(cues: dict[str, FloatArray]) -> FloatArray:
    """Agreement of a vertebra that begins at plane i − LONGEST_MM and is L long, at [i, L − SHORTEST_MM]."""
    planes = len(next(iter(cues.values())))
    starts = planes + LONGEST_MM
    gain = np.zeros((starts, LONGEST_MM - SHORTEST_MM + 1))
    for name, cue in cues.items():
        padded = np.concatenate([np.zeros(LONGEST_MM), cue, np.zeros(LONGEST_MM)])
        for length in range(SHORTEST_MM, LONGEST_MM + 1):
            fit = np.correlate(padded, template(name, length), mode="valid")
            gain[:, length - SHORTEST_MM] += WEIGHT[name] * fit[:starts]
    return gain


def _best_train(gain: FloatArray, allowed: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    starts, lengths = gain.shape
    sizes = np.arange(SHORTEST_MM, LONGEST_MM + 1)
    change = (np.log(sizes[:, None] / sizes[None, :]) / RATIO_SIGMA) ** 2 * RATIO_COST_MM
    ends = starts + LONGEST_MM
    best = np.full((ends + 1, lengths), -np.inf)
    before = np.full((ends + 1, lengths), -1)
    ok = np.concatenate([allowed, np.ones(ends + 1 - starts, dtype=np.bool_)])
    for start in range(starts):
        if not ok[start]:
            continue
        if start <= LONGEST_MM:
            entry, origin = np.zeros(lengths), np.full(lengths, -1)
        else:
            entry, origin = np.full(lengths, -np.inf), np.full(lengths, -1)
        arrived = best[start][None, :] - change
        through = arrived.max(axis=1)
        better = through > entry
        entry = np.where(better, through, entry)
        origin = np.where(better, arrived.argmax(axis=1), origin)
        reached = start + sizes
        value = entry + gain[start]
        value[~ok[reached]] = -np.inf
        improved = value > best[reached, np.arange(lengths)]
        best[reached[improved], np.flatnonzero(improved)] = value[improved]
        before[reached[improved], np.flatnonzero(improved)] = origin[improved]
    tail = best[starts:]
    end, size = np.unravel_index(int(tail.argmax()), tail.shape)
    place, which = int(end) + starts, int(size)
    discs = [place]
    while which >= 0:
        earlier = int(before[place, which])
        place -= int(sizes[which])
        discs.append(place)
        which = earlier
    return tuple(disc - LONGEST_MM for disc in reversed(discs))


def _near(discs: tuple[int, ...], starts: int) -> npt.NDArray[np.bool_]:
    near = np.zeros(starts, dtype=np.bool_)
    for lower, upper in pairwise(discs):
        reach = SHIFT * (upper - lower)
        for disc in (lower, upper):
            first = max(int(np.ceil(disc - reach)) + LONGEST_MM, 0)
            near[first : max(int(disc + reach) + LONGEST_MM + 1, 0)] = True
    near[:LONGEST_MM] = False
    return near


def _judge(discs: tuple[int, ...], cues: dict[str, FloatArray]) -> Train:
    agreeing = {name: agreement(name, cue, discs) for name, cue in cues.items()}
    return Train(discs, sum(WEIGHT[name] * value for name, value in agreeing.items()), agreeing)


def agreement(name: str, cue: FloatArray, discs: tuple[int, ...]) -> float:
    """How well a scaled cue agrees with its template between the given discs, −1 to 1."""
    planes = len(cue)
    expected = np.zeros(planes)
    for lower, upper in pairwise(discs):
        shape = template(name, upper - lower)
        first, last = max(lower, 0), min(upper, planes)
        expected[first:last] = shape[first - lower : last - lower]
    return float((cue * expected).sum() / max(np.abs(expected).sum(), 1e-6))
