"""Profiles along the straightened column that tell vertebra from disc, whatever the density of the bone.

Four cues, each one number per plane:
- pedicles: bone on both sides of the canal joins the upper half of a vertebra; below are the open foramina;
- waist: a body is narrow at its middle and flares to its endplates, and the disc is as wide as these;
- endplates: thin bright planes across the whole body, one on either side of a disc;
- core: mean attenuation inside of the body, for plausibility, not for phase: an osteoporotic body is darker
  than its discs, a dense one is brighter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tasks.locate.straight import STEP_MM, FloatArray, Straightened

#: From the centre of the canal to the back of the body, as found on real spines (7 to 10 mm).
CANAL_TO_WALL_MM = 9.0
#: Endplates are 1 to 2 mm thick, and blurred by slices of 1 to 5 mm.
ENDPLATE_SIGMA_MM = 1.8
#: Within a plane endplates are smooth over more than this.
SMOOTH_MM = 1.5
#: Curvature of a profile across an endplate at which it counts as fully seen.
ENDPLATE_FULL_HU = 40.0
#: Pedicles lie this far beside the canal, from this far before its centre to this far behind it.
PEDICLE_SIDE_MM, PEDICLE_BEFORE_MM, PEDICLE_BEHIND_MM = (8.0, 18.0), 10.0, 4.0
#: A mean over a region of which less than this is inside of the stack is not taken.
LEAST_KNOWN = 0.7

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Profiles:
    """One value per plane of a straightened column; NaN where the plane leaves the stack.

    Attributes:
        pedicle_left, pedicle_right: attenuation beside the canal, clipped to −50 to 300 HU.
        waist: attenuation just around the mean outline of the body, clipped to −100 to 300 HU.
        endplate: how much of the body's cross-section is a bright plane, −1 to 1.
        core: mean attenuation of the middle of the body, HU.
    """

    pedicle_left: FloatArray
    pedicle_right: FloatArray
    waist: FloatArray
    endplate: FloatArray
    core: FloatArray


def take_profiles(straight: Straightened) -> Profiles:
    """The cues along a straightened column."""
    hu, known = straight.hu, np.isfinite(straight.hu)
    elliptic, ahead = body_frame(straight)
    core = (elliptic < 0.5) & (ahead > -0.25)[:, :, None]
    around = (elliptic > 0.75) & (elliptic < 1.3) & (ahead > -0.35)[:, :, None]
    side, behind = np.meshgrid(straight.side_mm, straight.behind_mm)
    beside = (np.abs(side) > PEDICLE_SIDE_MM[0]) & (np.abs(side) < PEDICLE_SIDE_MM[1])
    beside &= (behind > -PEDICLE_BEFORE_MM) & (behind < PEDICLE_BEHIND_MM)
    filled = np.where(known, hu, 0.0)
    bone = np.clip(filled, -50.0, 300.0)
    return Profiles(
        pedicle_left=_mean(bone, known, np.broadcast_to(beside & (side > 0), hu.shape)),
        pedicle_right=_mean(bone, known, np.broadcast_to(beside & (side < 0), hu.shape)),
        waist=_mean(np.clip(filled, -100.0, 300.0), known, around),
        endplate=_endplates(filled, known, core),
        core=_mean(np.clip(filled, -100.0, 500.0), known, core),
    )


def body_frame(straight: Straightened) -> tuple[npt.NDArray[np.float32], FloatArray]:
    """Every point in the frame of the body's ellipse.

    Returns:
        the squared elliptic radius (1 on the outline), of the shape of `straight.hu`, and the place of every
        row before the centre (1 at the front), shape (planes, rows).
    """
    half_depth = straight.body_ahead_mm - CANAL_TO_WALL_MM
    across = straight.side_mm[None, :] - straight.body_side_mm[:, None]
    across /= straight.body_half_width_mm[:, None]
    ahead = -(straight.behind_mm[None, :] + straight.body_ahead_mm[:, None]) / half_depth[:, None]
    elliptic = (across**2).astype(np.float32)[:, None, :] + (ahead**2).astype(np.float32)[:, :, None]
    return elliptic, ahead


def _endplates(filled: npt.NDArray[np.float32], known: Mask, core: Mask) -> FloatArray:
    sigma = ENDPLATE_SIGMA_MM / STEP_MM
    box = _about(core, margin=round(4 * SMOOTH_MM / STEP_MM))
    filled, known, core = filled[box], known[box], core[box]
    within = SMOOTH_MM / STEP_MM
    smooth = ndimage.gaussian_filter(np.clip(filled, -100.0, 500.0), (0.0, within, within))
    curvature = -ndimage.gaussian_filter1d(smooth, sigma, axis=0, order=2) * sigma**2
    inside = ndimage.minimum_filter1d(
        known.astype(np.uint8), 2 * round(2 * sigma) + 1, axis=0, mode="constant"
    )
    return _mean(np.clip(curvature / ENDPLATE_FULL_HU, -1.0, 1.0), inside.astype(np.bool_), core)


def _about(region: Mask, margin: int) -> tuple[slice, slice, slice]:
    """All planes, and the rows and columns about what any of them has of a region."""
    rows, columns = (np.flatnonzero(region.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    return (
        slice(None),
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + margin + 1),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + margin + 1),
    )


def _mean(values: npt.NDArray[np.float32], known: Mask, region: Mask) -> FloatArray:
    counted = known & region
    count = counted.sum(axis=(1, 2))
    total = np.einsum("ijk,ijk->i", values, counted, dtype=np.float64, casting="unsafe")
    enough = count >= LEAST_KNOWN * np.maximum(region.sum(axis=(1, 2)), 1)
    mean: FloatArray = np.where(enough & (count > 0), total / np.maximum(count, 1), np.nan)
    return mean
