"""Whether the images can be believed at all: which way they face, and whether their scale is Hounsfield's.

A patient position entered wrongly turns images upside down, and a wrong rescale shifts every value. Neither
stops a spine from being found; both make its numbers wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.locate.anatomy import Aorta, Column
from tasks.locate.sections import Section
from tasks.outcomes import Excluded, Reason

#: The spinal canal lies this far back in the depth of the lungs. Our choice: on real CT 0.90 to 0.96, on the
#: same images turned front to back 0.04 to 0.52.
CANAL_FROM_FRONT = 0.7
#: Only slices that show so much lung say where its front and back are.
LEAST_LUNG_CM2 = 40.0
#: Lean muscle without contrast is 40 to 65 HU, 30 in old age; on real CT here 36 to 49. Lower is no muscle,
#: or no Hounsfield scale.
LEAST_MUSCLE_HU = 20.0
#: Blood without contrast is 35 to 65 HU, in severe anaemia 25; artefacts take 10 off a median.
LEAST_BLOOD_HU = 12.0


def check_orientation(sections: Sequence[Section], column: Column) -> None:
    """The spine must lie behind, as seen from the lungs.

    Raises:
        Excluded: `implausible_anatomy` when it does not.
    """
    places = [
        place
        for section in sections
        if section.lung_area_cm2 >= LEAST_LUNG_CM2
        for place in [_canal_from_front(section, column)]
    ]
    if places and (middle := float(np.mean(places))) < CANAL_FROM_FRONT:
        raise Excluded(
            Reason.IMPLAUSIBLE_ANATOMY,
            f"the canal lies at {middle:.2f} of the depth of the lungs, behind {CANAL_FROM_FRONT} is "
            "expected: the images face another way than their headers say",
        )


def _canal_from_front(section: Section, column: Column) -> float:
    """Where the canal lies between the front (0) and the back (1) of the lungs."""
    rows = np.flatnonzero(section.lung.any(axis=1))
    canal_y = np.interp(section.z_mm, column.z_mm, [y for _, y in column.canal_xy_mm])
    row, _ = section.place(np.zeros(1), np.asarray([canal_y]))
    return float((row[0] - rows[0]) / max(rows[-1] - rows[0], 1))


def check_scale(muscle_hu: float | None, aorta: Aorta | None) -> None:
    """Muscle and blood must not be darker than they can be.

    Raises:
        Excluded: `implausible_anatomy` when they are, or when neither was found to say so.
    """
    seen = {"muscle": (muscle_hu, LEAST_MUSCLE_HU), "blood": (aorta.hu if aorta else None, LEAST_BLOOD_HU)}
    if all(hu is None for hu, _ in seen.values()):
        raise Excluded(
            Reason.IMPLAUSIBLE_ANATOMY, "neither muscle nor blood shows that the scale is Hounsfield's"
        )
    for name, (hu, least) in seen.items():
        if hu is not None and hu < least:
            raise Excluded(
                Reason.IMPLAUSIBLE_ANATOMY,
                f"{name} measures {hu:.0f} HU, at least {least:.0f} expected: the scale is not Hounsfield's",
            )
