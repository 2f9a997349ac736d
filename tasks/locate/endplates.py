"""The two endplates about every disc, to a millimetre, once it is known roughly where the disc is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.locate.straight import FloatArray

#: The disc centre of the fitted train is good to about this; endplates are looked for around it.
LOOK_AROUND_MM = 5
#: Half the distance of the endplates' middles: thin upper thoracic discs to lumbar ones.
HALF_GAPS_MM = np.arange(1.0, 9.1, 0.5)
#: Half gap expected where the endplates show nothing: a disc is about a fifth of a vertebra's length.
EXPECTED_HALF_GAP = 0.12
#: How far disc and gap may stray from what is expected before the pair must be seen very clearly, mm.
CENTRE_SIGMA_MM, GAP_SIGMA_MM = 2.5, 2.0
#: Weight of that expectation against a pair of endplates seen fully (2.0).
EXPECTATION = 0.6


@dataclass(frozen=True, slots=True)
class Disc:
    """One disc, in planes of the straightened column.

    Attributes:
        lower, upper: place of the endplate below it (top of a vertebra) and above it (bottom of the next).
        seen: how clearly the two endplates show, −1 to 1.
    """

    lower: float
    upper: float
    seen: float


def find_disc(endplate: FloatArray, expected: float, vertebra_mm: float) -> Disc:
    """The pair of endplates about an expected disc centre.

    Args:
        endplate: how much of each plane is a bright plane, −1 to 1; NaN outside of the stack.
        expected: plane of the disc centre as fitted.
        vertebra_mm: distance of the neighbouring discs.
    """
    planes = np.arange(len(endplate))
    shown = np.where(np.isfinite(endplate), endplate, 0.0)
    centres = expected + np.arange(-LOOK_AROUND_MM, LOOK_AROUND_MM + 0.1, 0.5)
    centre, half = np.meshgrid(centres, HALF_GAPS_MM, indexing="ij")
    pair = np.interp(centre - half, planes, shown, left=0.0, right=0.0)
    pair += np.interp(centre + half, planes, shown, left=0.0, right=0.0)
    stray = ((centre - expected) / CENTRE_SIGMA_MM) ** 2
    stray += ((half - EXPECTED_HALF_GAP * vertebra_mm) / GAP_SIGMA_MM) ** 2
    best = int((pair - EXPECTATION * stray).argmax())
    middle, gap = float(centre.flat[best]), float(half.flat[best])
    return Disc(middle - gap, middle + gap, float(pair.flat[best]) / 2.0)
