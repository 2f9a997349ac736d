"""Naming the vertebrae: every landmark that a scan happens to cover votes, each with its own spread.

The bodies are one train; what is not known is at which level it begins. Each beginning is a hypothesis. Its
likelihood is the product of the evidence in the table below, over a patient of any stature, and a name is
given only as far as the posterior carries it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tasks.locate.anatomy import Body, Column
from tasks.locate.lungs import Lungs
from tasks.locate.ribs import ribs_seen
from tasks.locate.sections import Section
from tasks.settings import Levels
from tasks.volume.geometry import SliceStack

FloatArray = npt.NDArray[np.float64]

LEVELS = (*(f"T{number}" for number in range(1, 13)), *(f"L{number}" for number in range(1, 6)))
#: Distance of the centres of T1 and T2, T2 and T3, … L4 and L5 along the spine, mm, in a middle-sized adult:
#: posterior heights of Panjabi 1991 and 1992 (T1 14.1 to L2 24.3 mm) plus discs, thoracic by Fletcher 2015
#: (10.1007/s00586-015-3925-y: 2.7 mm at T4-5 to 5.3 mm at T10-11), lumbar 7 to 10 mm.
SPACING_MM = np.array(
    [18.5, 18.5, 18.5, 19.0, 20.0, 21.5, 22.5, 23.5, 24.5, 26.0, 28.0, 30.5, 32.5, 33.5, 34.5, 34.5]
)
#: How far the centre of each level lies below that of T1, mm.
DEPTH_MM = (0.0, *np.cumsum(SPACING_MM).tolist())
#: Stature: factor on these distances (mean, standard deviation); tall men 1.2, small or collapsed women 0.85.
STATURE = (1.03, 0.08)
#: A single distance varies by this about the patient's own factor: biology, compression, placement.
SPACING_SIGMA_MM = 2.5
#: Levels from one body to the next, and how likely it is that a vertebra in between was not found.
STEPS = (1, 2, 3)
MISSED = 0.03
#: The further a landmark lies from the bodies, the less the levels between can be counted: per level.
COUNTING_SIGMA = 0.05


@dataclass(frozen=True, slots=True)
class Landmark:
    """Where a landmark lies among the levels (5.0 is the centre of T5), and how far it strays.

    Attributes:
        level: mean.
        sigma_up, sigma_down: standard deviation towards the head and towards the feet.
        source: where the numbers come from.
    """

    level: float
    sigma_up: float
    sigma_down: float
    source: str


LANDMARKS = {
    "apex": Landmark(1.1, 0.6, 0.6, "lung apex within the first rib, at T1; on three real CT 1.0, 1.0, 1.1"),
    "carina": Landmark(
        5.1, 0.7, 0.8, "T4/T5 to T5/T6, moving with respiration; on three real CT 4.9, 5.0, 5.8"
    ),
    "base": Landmark(
        12.0,
        1.3,
        0.8,
        "posterior recess: T12, to L1 in deep inspiration, to T10 in expiration; on four real CT 11.1, 12.0, "
        "12.2, 12.4",
    ),
}
#: Share of patients in whom a landmark is elsewhere altogether (collapse, resection, a wrong find).
ASTRAY = 0.05
#: Probability that no, one or two ribs are seen beside a vertebra that has ribs (on slices 10 mm apart 4 of
#: 30 were missed on real CT), the last that has them (short or missing twelfth ribs), and one that has none
#: (long transverse processes, lumbar ribs in 1 %).
RIBS = {"rib": (0.12, 0.12, 0.76), "last": (0.18, 0.20, 0.62), "none": (0.82, 0.13, 0.05)}


def name_levels(
    stack: SliceStack,
    column: Column,
    bodies: Sequence[Body],
    lungs: Lungs,
    sections: Sequence[Section],
    limits: Levels,
) -> tuple[Body, ...]:
    """The same bodies with `level` and `level_confidence`.

    Args:
        bodies: from the lowest upwards; one between them may be missing.
        sections: coarse slices, decoded already, caudal first.

    Returns:
        Bodies whose `level` is None where no level is as probable as `limits.min_confidence`; the confidence
        is the posterior probability of the best level in either case.
    """
    if not bodies:
        return ()
    along = _Arc(column)
    places = np.array([along.at(body.z_mm) for body in bodies])
    marks = {
        "apex": lungs.apex_mm,
        "carina": lungs.carina_mm,
        "base": lungs.base_mm,
    }
    seen = {name: along.at(z) for name, z in marks.items() if z is not None}
    ribs = [ribs_seen(stack, column, body, sections) for body in bodies]
    posterior = level_posterior(places, seen, ribs, lungs.spacing_mm)
    return tuple(_named(body, row, limits) for body, row in zip(bodies, posterior, strict=True))


def level_posterior(
    places_mm: FloatArray,
    landmarks_mm: dict[str, float],
    ribs: Sequence[tuple[bool, bool] | None],
    precision_mm: float,
) -> FloatArray:
    """Probability of every level for every body.

    Args:
        places_mm: where the bodies lie along the spine, ascending, shape (bodies,).
        landmarks_mm: where those of `LANDMARKS` lie that were seen, on the same scale.
        ribs: what is seen beside each body; None where nothing can be said.
        precision_mm: distance of the slices on which the landmarks were seen.

    Returns:
        Shape (bodies, len(LEVELS)); each row sums to 1.
    """
    statures = STATURE[0] + STATURE[1] * np.linspace(-2.5, 2.5, 21)
    prior = np.exp(-0.5 * ((statures - STATURE[0]) / STATURE[1]) ** 2)
    posterior = np.zeros((len(places_mm), len(LEVELS)))
    for lowest in range(1, len(LEVELS) + 1):
        for stature, weight in zip(statures, prior / prior.sum(), strict=True):
            numbers, log_fit = _count_up(places_mm, lowest, float(stature))
            if numbers[-1] < 1:
                continue
            log_fit += _landmark_fit(places_mm, numbers, landmarks_mm, float(stature), precision_mm)
            log_fit += sum(_rib_fit(number, pair) for number, pair in zip(numbers, ribs, strict=True))
            likelihood = float(weight * np.exp(log_fit))
            for body, number in enumerate(numbers):
                posterior[body, number - 1] += likelihood
    total = posterior.sum(axis=1, keepdims=True)
    if not np.all(total > 0):
        return np.full_like(posterior, 1.0 / len(LEVELS))
    return np.asarray(posterior / total, dtype=np.float64)


class _Arc:
    """Patient z to the distance along the (leaning) spine, in the sagittal plane."""

    def __init__(self, column: Column) -> None:
        self._z = np.array(column.z_mm)
        steps = np.hypot(np.diff(self._z), np.diff(np.array(column.body_xy_mm)[:, 1]))
        self._arc = np.concatenate([[0.0], np.cumsum(steps)])

    def at(self, z_mm: float) -> float:
        inside = float(np.interp(z_mm, self._z, self._arc))
        return inside + (z_mm - float(np.clip(z_mm, self._z[0], self._z[-1])))


def _count_up(places: FloatArray, lowest: int, stature: float) -> tuple[list[int], float]:
    """Level numbers of the bodies when the first is `lowest`, and how well their distances fit."""
    numbers, log_fit = [lowest], 0.0
    for below, above in pairwise(places):
        fits = [_distance_fit(numbers[-1], step, float(above - below), stature) for step in STEPS]
        best = fits.index(max(fits))
        numbers.append(numbers[-1] - STEPS[best])
        log_fit += fits[best]
        if numbers[-1] < 1:
            break
    return numbers, log_fit


def _distance_fit(number: int, step: int, distance: float, stature: float) -> float:
    upper = max(number - step, 1)
    expected = stature * (DEPTH_MM[max(number - 1, upper)] - DEPTH_MM[upper - 1])
    away = (distance - expected) / (SPACING_SIGMA_MM * math.sqrt(step))
    return math.log(math.exp(-0.5 * away**2) + 1e-4) + (step - 1) * math.log(MISSED)


def _landmark_fit(
    places: FloatArray,
    numbers: Sequence[int],
    landmarks: dict[str, float],
    stature: float,
    precision_mm: float,
) -> float:
    log_fit = 0.0
    for name, place in landmarks.items():
        level, counted = _level_at(place, places, numbers, stature)
        mark = LANDMARKS[name]
        spread = mark.sigma_up if level < mark.level else mark.sigma_down
        sampling = precision_mm / np.sqrt(12.0) / float(np.mean(SPACING_MM))
        sigma = float(np.sqrt(spread**2 + sampling**2 + (COUNTING_SIGMA * counted) ** 2))
        density = np.exp(-0.5 * ((level - mark.level) / sigma) ** 2) / sigma
        log_fit += float(np.log((1.0 - ASTRAY) * density + ASTRAY / len(LEVELS)))
    return log_fit


def _level_at(
    place: float, places: FloatArray, numbers: Sequence[int], stature: float
) -> tuple[float, float]:
    """Level, as a number, at a place along the spine, and how many levels away from the bodies that is."""
    centres = -np.array(DEPTH_MM) * stature
    if place >= places[-1]:
        anchor, number = float(places[-1]), numbers[-1]
    elif place <= places[0]:
        anchor, number = float(places[0]), numbers[0]
    else:
        return float(np.interp(place, places, np.array(numbers, dtype=np.float64))), 0.0
    offset = place - anchor + float(centres[number - 1])
    ordinals = np.arange(1.0, len(centres) + 1)
    level = float(np.interp(-offset, -centres, ordinals))
    level -= max(offset - float(centres[0]), 0.0) / (float(SPACING_MM[0]) * stature)
    level += max(float(centres[-1]) - offset, 0.0) / (float(SPACING_MM[-1]) * stature)
    return level, abs(level - number)


def _rib_fit(number: int, seen: tuple[bool, bool] | None) -> float:
    if seen is None:
        return 0.0
    last_rib = LEVELS.index("T12") + 1
    kind = "rib" if number < last_rib else "last" if number == last_rib else "none"
    return float(np.log(RIBS[kind][sum(seen)]))


def _named(body: Body, probabilities: FloatArray, limits: Levels) -> Body:
    best = int(probabilities.argmax())
    confidence = float(probabilities[best])
    level = LEVELS[best] if confidence >= limits.min_confidence else None
    return replace(body, level=level, level_confidence=confidence)
