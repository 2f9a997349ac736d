"""Whole vertebral bodies, from the lowest upwards: where each begins, ends and lies, and how sure that is."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy import ndimage

from tasks.locate.anatomy import Body, Column
from tasks.locate.endplates import Disc, find_disc
from tasks.locate.outline import Outline, OutlineFit
from tasks.locate.patches import AIR_HU, FloatImage
from tasks.locate.plausibility import Findings, Sighting, judge_body, judge_study
from tasks.locate.profiles import Profiles, take_profiles
from tasks.locate.sampling import affordable_range_mm
from tasks.locate.segmentation import Segmentation, agreement, segment
from tasks.locate.straight import STEP_MM, Straightened, straighten
from tasks.outcomes import Excluded, Reason
from tasks.volume.geometry import SliceStack

#: Fewer planes than this cannot show one vertebra with its two discs.
LEAST_RANGE_MM = 45.0
#: The middle part of a body, free of endplates, over which its outline is averaged.
MIDDLE = 0.25
#: How much the outline of a body owes to the body below it, to itself, and to the one above.
NEIGHBOURS = (0.25, 0.5, 0.25)
#: A train of vertebrae this much better than the one shifted by half a vertebra is certain, and agreement of
#: the cues like this is as good as on clean images (measured on real CT: 0.35 to 0.45, and 0.4 to 0.5).
SURE_MARGIN, SURE_AGREEMENT = 0.3, 0.4
#: What of a section is compared with its mirror image: body and pedicles, not aorta and ribs.
MIRROR_SIDE_MM, MIRROR_AHEAD_MM, MIRROR_BEHIND_MM = 24.0, 32.0, 8.0
#: Vertebrae turn with scoliosis, and patients lie turned; the best of these turns counts.
TURNS_DEG = (-16.0, -8.0, 0.0, 8.0, 16.0)
#: Confidence of a body that fails one of the checks of `plausibility`.
IMPLAUSIBLE = 0.0


def find_bodies(stack: SliceStack, column: Column, bottom_mm: float, top_mm: float) -> tuple[Body, ...]:
    """The vertebral bodies between two patient z that are covered from endplate to endplate, lowest first.

    Reads slices about 3 mm apart, from the bottom upwards as far as the share of thin slices that may be
    decoded allows. Levels are not named here.

    Returns:
        Bodies of one unbroken train; one that does not look like a vertebra has the confidence 0.

    Raises:
        Excluded: `spine_not_covered` when the range shows no whole vertebra, `spine_not_found` and
            `implausible_anatomy` when what was found is no human spine.
    """
    found = look_for_bodies(stack, column, bottom_mm, top_mm)
    judge_study(found)
    if not found.sightings:
        raise Excluded(Reason.SPINE_NOT_COVERED, "no vertebral body is covered from endplate to endplate")
    return tuple(
        seen.body if judge_body(seen) is None else replace(seen.body, confidence=IMPLAUSIBLE)
        for seen in found.sightings
    )


def look_for_bodies(stack: SliceStack, column: Column, bottom_mm: float, top_mm: float) -> Findings:
    """Everything that `find_bodies` judges, not judged yet.

    Raises:
        Excluded: `spine_not_covered` when the range is too short to show a vertebra.
    """
    bottom_mm = max(bottom_mm, column.z_mm[0])
    top_mm = min(top_mm, column.z_mm[-1], bottom_mm + affordable_range_mm(stack.geometry))
    if top_mm - bottom_mm < LEAST_RANGE_MM:
        detail = f"{max(top_mm - bottom_mm, 0.0):.0f} mm of spine to look for vertebrae in"
        raise Excluded(Reason.SPINE_NOT_COVERED, detail)
    straight = straighten(stack, column, bottom_mm, top_mm)
    profiles = take_profiles(straight)
    segmentation = segment(profiles)
    return Findings(
        column=column,
        range_mm=(bottom_mm, top_mm),
        sightings=_sightings(straight, profiles, segmentation),
        cues=segmentation.train.cues,
        margin=segmentation.margin,
    )


def _sightings(
    straight: Straightened, profiles: Profiles, segmentation: Segmentation
) -> tuple[Sighting, ...]:
    places = segmentation.train.discs
    gaps = np.diff(places)
    lengths = [float(np.mean(gaps[max(number - 1, 0) : number + 1])) for number in range(len(places))]
    discs = [
        find_disc(profiles.endplate, place, length) for place, length in zip(places, lengths, strict=True)
    ]
    covered = [
        number
        for number, (below, above) in enumerate(pairwise(discs))
        if _is_covered(straight, profiles, below, above)
    ]
    middles = [_mean_middle(straight, discs[number], discs[number + 1]) for number in covered]
    return tuple(
        _sighting(straight, profiles, segmentation, number, (discs[number], discs[number + 1]), outline, mean)
        for number, outline, mean in zip(covered, _outlines(straight, middles), middles, strict=True)
    )


def _is_covered(straight: Straightened, profiles: Profiles, below: Disc, above: Disc) -> bool:
    first, last = int(np.floor(below.upper)), int(np.ceil(above.lower))
    if first < 0 or last >= len(straight.z_mm):
        return False
    return bool(np.isfinite(profiles.core[first : last + 1]).all())


def _sighting(
    straight: Straightened,
    profiles: Profiles,
    segmentation: Segmentation,
    number: int,
    ends: tuple[Disc, Disc],
    outline: Outline,
    mean: FloatImage,
) -> Sighting:
    below, above = ends
    middle = 0.5 * (below.upper + above.lower)
    x_mm, y_mm, z_mm = straight.to_patient_mm(middle, outline.side_mm, -outline.ahead_mm)
    upright = float(np.cos(np.hypot(*straight.lean[round(middle)])))
    half_height = 0.5 * (above.lower - below.upper) * STEP_MM * upright
    lower, upper = segmentation.train.discs[number : number + 2]
    agreeing = float(
        np.mean([agreement(name, cue, (lower, upper)) for name, cue in segmentation.cues.items()])
    )
    certain = np.clip(segmentation.margin / SURE_MARGIN, 0.0, 1.0)
    body = Body(
        x_mm=x_mm,
        y_mm=y_mm,
        z_mm=z_mm,
        top_mm=z_mm + half_height,
        bottom_mm=z_mm - half_height,
        width_mm=2.0 * outline.half_width_mm,
        depth_mm=2.0 * outline.half_depth_mm,
        confidence=float(np.sqrt(certain * np.clip(agreeing / SURE_AGREEMENT, 0.0, 1.0))),
    )
    inside = slice(round(below.upper + 0.25 * (above.lower - below.upper)), round(above.lower))
    return Sighting(
        body, agreeing, outline.edge_hu, _symmetry(straight, mean), float(profiles.core[inside].mean())
    )


def _mean_middle(straight: Straightened, below: Disc, above: Disc) -> FloatImage:
    middle, reach = 0.5 * (below.upper + above.lower), MIDDLE * (above.lower - below.upper)
    planes = straight.hu[max(round(middle - reach), 0) : round(middle + reach) + 1]
    known = np.isfinite(planes)
    count = known.sum(axis=0)
    total = np.where(known, planes, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), AIR_HU).astype(np.float32)


def _outlines(straight: Straightened, middles: list[FloatImage]) -> list[Outline]:
    """The outline of every body at its middle; neighbours are alike, so each also counts for the next."""
    if not middles:
        return []
    fit = OutlineFit(STEP_MM)
    canal_row, canal_column = -straight.behind_mm[0] / STEP_MM, -straight.side_mm[0] / STEP_MM
    scores = np.array([fit.score(mean, float(canal_row), float(canal_column)) for mean in middles])
    return [
        fit.best(each) for each in ndimage.convolve1d(scores, np.array(NEIGHBOURS), axis=0, mode="nearest")
    ]


def _symmetry(straight: Straightened, mean: FloatImage) -> float:
    rows = (straight.behind_mm >= -MIRROR_AHEAD_MM) & (straight.behind_mm <= MIRROR_BEHIND_MM)
    columns = np.abs(straight.side_mm) <= MIRROR_SIDE_MM
    smooth = np.clip(ndimage.gaussian_filter(mean, 1.5), 0.0, 300.0)
    canal = np.array([-straight.behind_mm[0] / STEP_MM, -straight.side_mm[0] / STEP_MM])
    best = 0.0
    for angle in np.deg2rad(TURNS_DEG):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        turned = ndimage.affine_transform(smooth, turn, canal - turn @ canal, order=1, mode="nearest")
        part = turned[np.ix_(rows, columns)]
        if part.std() > 0.0:
            best = max(best, float(np.corrcoef(part.ravel(), part[:, ::-1].ravel())[0, 1]))
    return best
