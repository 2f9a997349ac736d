"""Whole vertebral bodies, from the lowest upwards: where each begins, ends and lies, and how sure that is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tasks.locate.anatomy import Body, Column
from tasks.locate.endplates import Disc, find_disc
from tasks.locate.outline import Outline, OutlineFit
from tasks.locate.patches import AIR_HU
from tasks.locate.profiles import Profiles, take_profiles
from tasks.locate.segmentation import Segmentation, segment, template
from tasks.locate.straight import STEP_MM, Straightened, straighten
from tasks.outcomes import Excluded, Reason
from tasks.volume.geometry import SliceStack

#: Fewer planes than this cannot show one vertebra with its two discs.
LEAST_RANGE_MM = 45.0
#: The middle part of a body, free of endplates, over which its outline is averaged.
MIDDLE = 0.25
#: A train of vertebrae this much better than the one shifted by half a vertebra is certain, and agreement of
#: the cues like this is as good as on clean images (measured on real CT: 0.35 to 0.45, and 0.4 to 0.5).
SURE_MARGIN, SURE_AGREEMENT = 0.3, 0.4


def find_bodies(stack: SliceStack, column: Column, bottom_mm: float, top_mm: float) -> tuple[Body, ...]:
    """The vertebral bodies between two patient z that are covered from endplate to endplate, lowest first.

    Reads slices about 3 mm apart in that range. Levels are not named here.

    Raises:
        Excluded: `spine_not_covered` when the range is too short to show a vertebra.
    """
    bottom_mm, top_mm = max(bottom_mm, column.z_mm[0]), min(top_mm, column.z_mm[-1])
    if top_mm - bottom_mm < LEAST_RANGE_MM:
        raise Excluded(
            Reason.SPINE_NOT_COVERED, f"{top_mm - bottom_mm:.0f} mm of spine to look for vertebrae in"
        )
    straight = straighten(stack, column, bottom_mm, top_mm)
    profiles = take_profiles(straight)
    segmentation = segment(profiles)
    discs = [
        find_disc(profiles.endplate, place, length)
        for place, length in zip(segmentation.train.discs, _lengths(segmentation.train.discs), strict=True)
    ]
    bodies = []
    for number, (below, above) in enumerate(pairwise(discs)):
        if _is_covered(straight, profiles, below, above):
            bodies.append(_body(straight, segmentation, number, below, above))
    return tuple(bodies)


def _lengths(discs: tuple[int, ...]) -> list[float]:
    gaps = np.diff(discs)
    return [float(np.mean(gaps[max(place - 1, 0) : place + 1])) for place in range(len(discs))]


def _is_covered(straight: Straightened, profiles: Profiles, below: Disc, above: Disc) -> bool:
    first, last = int(np.floor(below.upper)), int(np.ceil(above.lower))
    if first < 0 or last >= len(straight.z_mm):
        return False
    return bool(np.isfinite(profiles.core[first : last + 1]).all())


def _body(straight: Straightened, segmentation: Segmentation, number: int, below: Disc, above: Disc) -> Body:
    middle = 0.5 * (below.upper + above.lower)
    reach = MIDDLE * (above.lower - below.upper)
    outline = _outline(straight, round(middle - reach), round(middle + reach))
    x_mm, y_mm, z_mm = straight.to_patient_mm(middle, outline.side_mm, -outline.ahead_mm)
    plane = round(middle)
    steepness = float(np.cos(np.hypot(*straight.lean[plane])))
    half_height = 0.5 * (above.lower - below.upper) * STEP_MM * steepness
    return Body(
        x_mm=x_mm,
        y_mm=y_mm,
        z_mm=z_mm,
        top_mm=z_mm + half_height,
        bottom_mm=z_mm - half_height,
        width_mm=2.0 * outline.half_width_mm,
        depth_mm=2.0 * outline.half_depth_mm,
        confidence=_confidence(segmentation, number),
    )


def _outline(straight: Straightened, first: int, last: int) -> Outline:
    planes = straight.hu[first : last + 1]
    known = np.isfinite(planes)
    total = np.where(known, planes, 0.0).sum(axis=0)
    count = known.sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), AIR_HU).astype(np.float32)
    canal_row, canal_column = -straight.behind_mm[0] / STEP_MM, -straight.side_mm[0] / STEP_MM
    fit = OutlineFit(STEP_MM)
    return fit.best(fit.score(mean, float(canal_row), float(canal_column)))


def _confidence(segmentation: Segmentation, number: int) -> float:
    lower, upper = segmentation.train.discs[number : number + 2]
    agreements = []
    for name, cue in segmentation.cues.items():
        expected = template(name, upper - lower)
        first, last = max(lower, 0), min(upper, len(cue))
        expected = expected[first - lower : last - lower]
        agreements.append(float((cue[first:last] * expected).sum() / max(np.abs(expected).sum(), 1e-6)))
    certain = np.clip(segmentation.margin / SURE_MARGIN, 0.0, 1.0)
    agreeing = np.clip(np.mean(agreements) / SURE_AGREEMENT, 0.0, 1.0)
    return float(np.sqrt(certain * agreeing))
