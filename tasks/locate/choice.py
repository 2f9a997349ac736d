"""Which of the vertebrae that were found are measured: the lowest sound ones of the levels that count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.locate.anatomy import Body
from tasks.outcomes import Excluded, Reason, Warn
from tasks.settings import Vertebrae


def choose_bodies(
    bodies: Sequence[Body], limits: Vertebrae, shows_lung_base: bool = True
) -> tuple[tuple[Body, ...], tuple[Warn, ...]]:
    """The lowest fully covered vertebrae of the levels that are measured, lowest first.

    A body in doubt is passed over, and so is one that looks compressed, for its trabeculae are packed
    together; but a compressed one is taken when too few others remain.

    Args:
        bodies: all whole bodies of an unbroken train, lowest first, named as far as they could be.
        limits: which levels count, and how many.
        shows_lung_base: whether the scan reaches below the lungs. Where it does, the lowest vertebrae are of
            these levels though they could not be named; where it does not, they may be of any.

    Returns:
        The bodies, and what a reader must know of the choice.

    Raises:
        Excluded: `spine_not_covered` when none of the levels is shown whole, `implausible_anatomy` when too
            few bodies are certain enough.
    """
    of_interest = [body for body in bodies if body.level is None or body.level in limits.levels]
    is_named = any(body.level in limits.levels for body in of_interest)
    if not is_named and (len(of_interest) < len(bodies) or not shows_lung_base):
        of_interest = []
    if not of_interest:
        raise Excluded(
            Reason.SPINE_NOT_COVERED,
            f"{len(bodies)} whole vertebrae, none surely of {limits.levels[0]} to {limits.levels[-1]}",
        )
    certain = [body for body in of_interest if body.confidence >= limits.min_confidence]
    if len(certain) < limits.min_bodies:
        enough = len(of_interest) >= limits.min_bodies
        raise Excluded(
            Reason.IMPLAUSIBLE_ANATOMY if enough else Reason.SPINE_NOT_COVERED,
            f"{len(certain)} of {len(of_interest)} whole vertebrae are certain, needed: {limits.min_bodies}",
        )
    compressed = [body for body in certain if height_ratio(body, bodies) < limits.fracture_height_ratio]
    sound = [body for body in certain if body not in compressed]
    chosen = _lowest(sound if len(sound) >= limits.min_bodies else certain, limits)
    warnings = []
    if any(body.level is None for body in chosen):
        warnings.append(Warn.LEVEL_UNCERTAIN)
    if any(body.z_mm <= chosen[-1].z_mm for body in compressed):
        warnings.append(Warn.POSSIBLE_FRACTURE)
    return chosen, tuple(warnings)


def _lowest(bodies: list[Body], limits: Vertebrae) -> tuple[Body, ...]:
    first = [body for body in bodies if body.level not in limits.reserve_levels][: limits.max_bodies]
    missing = limits.max_bodies - len(first)
    reserve = [body for body in bodies if body.level in limits.reserve_levels][-missing:] if missing else []
    return tuple(sorted((*first, *reserve), key=lambda body: body.z_mm))


def height_ratio(body: Body, bodies: Sequence[Body]) -> float:
    """Height of a body over the mean height of its neighbours (of the nearest one at an end); 1 without."""
    place = list(bodies).index(body)
    neighbours = [bodies[beside].height_mm for beside in (place - 1, place + 1) if 0 <= beside < len(bodies)]
    return body.height_mm / float(np.mean(neighbours)) if neighbours else 1.0
