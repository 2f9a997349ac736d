"""What a human spine must look like, as tables: each row a name, what is measured, its limits, their source.

`STUDY_CHECKS` judge everything found at once and end a study; `BODY_CHECKS` judge one vertebral body, which
then is not measured while its neighbours may be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np

from tasks.locate.anatomy import Body, Column
from tasks.outcomes import Excluded, Reason

_PANJABI = "Panjabi 1991, 1992 (T1 to L5, heights 14 to 28 mm, widths 25 to 50 mm), with margin for stature"
_REAL_CT = "our choice, between real spines and images without one (tests/locate)"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One vertebral body with what speaks for it.

    Attributes:
        body: what was found.
        agreement: mean agreement of the cues over this vertebra, −1 to 1.
        edge_hu: mean height of the edge along its outline.
        symmetry: correlation of its mean section with its mirror image, −1 to 1.
        core_hu: mean attenuation of its middle.
    """

    body: Body
    agreement: float
    edge_hu: float
    symmetry: float
    core_hu: float


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything found in a study, to be judged at once.

    Attributes:
        column: canal and bodies as centre lines.
        range_mm: lowest and highest patient z between which bodies were looked for.
        sightings: the whole bodies, lowest first.
        cues: agreement of each cue with the train of vertebrae, −1 to 1.
        margin: how much better that train fits than the one shifted by half a vertebra.
    """

    column: Column
    range_mm: tuple[float, float]
    sightings: tuple[Sighting, ...]
    cues: dict[str, float]
    margin: float


Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class Check(Generic[Subject]):
    """One row of a table: `measure` must lie within `low` and `high`.

    Attributes:
        name: of the check, as it appears in a refusal's detail.
        needs: what it measures, in words, with its unit.
        measure: the value; NaN where it cannot be told, which passes.
        source: of the limits.
        reason: how a study ends that fails it.
    """

    name: str
    needs: str
    measure: Callable[[Subject], float]
    low: float
    high: float
    source: str
    reason: Reason = Reason.IMPLAUSIBLE_ANATOMY

    def failure(self, subject: Subject) -> str | None:
        """What is wrong, with the value and the limits; None when nothing is."""
        value = self.measure(subject)
        if np.isnan(value) or self.low <= value <= self.high:
            return None
        return f"{self.name}: {self.needs} is {value:.2f}, expected {self.low:g} to {self.high:g}"


def _canal_evidence(found: Findings) -> float:
    inside = [
        evidence
        for z, evidence in zip(found.column.z_mm, found.column.evidence, strict=False)
        if found.range_mm[0] <= z <= found.range_mm[1]
    ]
    return float(np.median(inside)) if inside else 0.0


def _steepest_canal(found: Findings) -> float:
    steps = np.diff(np.array(found.column.canal_xy_mm), axis=0)
    return float((np.hypot(*steps.T) / np.diff(found.column.z_mm)).max())


def _most_uneven_spacing(found: Findings) -> float:
    z = [sighting.body.z_mm for sighting in found.sightings]
    ratios = [max(below, above) / min(below, above) for below, above in pairwise(np.diff(z))]
    return max(ratios, default=float("nan"))


def _spacings(found: Findings) -> list[float]:
    places = [(each.body.x_mm, each.body.y_mm, each.body.z_mm) for each in found.sightings]
    return [float(np.linalg.norm(np.subtract(above, below))) for below, above in pairwise(places)]


#: Everything found at once; the first row that fails ends the study.
STUDY_CHECKS: tuple[Check[Findings], ...] = (
    Check(
        "canal is a canal",
        "median evidence of the canal (0 to 1)",
        _canal_evidence,
        0.6,
        1.0,
        _REAL_CT,
        Reason.SPINE_NOT_FOUND,
    ),
    Check(
        "canal is continuous",
        "its steepest slope (mm per mm)",
        _steepest_canal,
        0.0,
        1.5,
        "cervicothoracic kyphosis leans by up to 50°",
        Reason.SPINE_NOT_FOUND,
    ),
    Check(
        "vertebrae are in phase",
        "margin over vertebrae shifted by half of one",
        lambda found: found.margin,
        0.22,
        2.0,
        _REAL_CT,
    ),
    Check(
        "pedicles are above foramina",
        "agreement of the pedicles",
        lambda found: found.cues["pedicle"],
        0.3,
        2.0,
        _REAL_CT + "; negative in images that are upside down",
    ),
    Check(
        "bodies have a waist",
        "agreement of the waist",
        lambda found: found.cues["waist"],
        0.1,
        2.0,
        _REAL_CT,
    ),
    Check(
        "bodies have endplates",
        "agreement of the endplates",
        lambda found: found.cues["endplate"],
        0.02,
        2.0,
        _REAL_CT,
    ),
    Check(
        "neighbours are not too close",
        "least distance of neighbours (mm)",
        lambda found: min(_spacings(found), default=float("nan")),
        15.0,
        float("inf"),
        _PANJABI,
    ),
    Check(
        "neighbours are not too far apart",
        "largest distance of neighbours (mm)",
        lambda found: max(_spacings(found), default=float("nan")),
        0.0,
        45.0,
        _PANJABI,
    ),
    Check(
        "spacing is regular",
        "largest ratio of successive distances",
        _most_uneven_spacing,
        1.0,
        1.7,
        "neighbours differ by about 8 %; a collapsed vertebra takes away up to half",
    ),
)

#: One body; the first row that fails leaves it unmeasured.
BODY_CHECKS: tuple[Check[Sighting], ...] = (
    Check("height", "height of the body (mm)", lambda seen: seen.body.height_mm, 11.0, 40.0, _PANJABI),
    Check("width", "width of the body (mm)", lambda seen: seen.body.width_mm, 21.0, 60.0, _PANJABI),
    Check("depth", "depth of the body (mm)", lambda seen: seen.body.depth_mm, 18.0, 45.0, _PANJABI),
    Check(
        "shape",
        "width over depth",
        lambda seen: seen.body.width_mm / seen.body.depth_mm,
        0.85,
        1.8,
        _PANJABI,
    ),
    Check("cues", "agreement of the cues", lambda seen: seen.agreement, 0.15, 2.0, _REAL_CT),
    Check("cortex", "edge along the outline (HU)", lambda seen: seen.edge_hu, 60.0, 1000.0, _REAL_CT),
    Check("symmetry", "correlation with its mirror image", lambda seen: seen.symmetry, 0.4, 1.0, _REAL_CT),
    Check(
        "attenuation",
        "attenuation of the middle (HU)",
        lambda seen: seen.core_hu,
        -60.0,
        480.0,
        "trabecular bone from fatty marrow (−50) to the densest young adult (400)",
    ),
)


def judge_study(found: Findings) -> None:
    """Refuse what does not look like a human spine.

    Raises:
        Excluded: `spine_not_found`, `implausible_anatomy`, naming the check, the value and the limits.
    """
    for check in STUDY_CHECKS:
        failure = check.failure(found)
        if failure is not None:
            raise Excluded(check.reason, failure)


def judge_body(seen: Sighting) -> str | None:
    """What is wrong with one body; None when nothing is."""
    return next((failure for check in BODY_CHECKS if (failure := check.failure(seen)) is not None), None)
