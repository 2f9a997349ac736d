from __future__ import annotations

import numpy as np
import pytest

from tasks.locate.bodies import find_bodies, look_for_bodies
from tasks.locate.column import find_column
from tasks.outcomes import Excluded, Reason
from tests.locate.drawn_spine import DISC_MM, LENGTHS_MM, DrawnSpine


@pytest.mark.parametrize(
    ("trabecular_hu", "spacing_mm", "noise_hu", "lean"),
    [(150.0, 2.5, 15.0, 0.0), (40.0, 3.0, 15.0, 0.0), (300.0, 1.0, 60.0, 0.2), (90.0, 5.0, 15.0, 0.0)],
)
def test_bodies_are_found_where_they_were_drawn(
    trabecular_hu: float, spacing_mm: float, noise_hu: float, lean: float
) -> None:
    spine = DrawnSpine(trabecular_hu=trabecular_hu, spacing_mm=spacing_mm, noise_hu=noise_hu, lean=lean)
    bodies = find_bodies(spine, find_column(spine), -1000.0, 1000.0)
    assert len(bodies) >= 3
    for body in bodies:
        along = body.z_mm + lean * (body.y_mm - spine.canal_y_mm(body.z_mm))
        number = int(np.abs(spine.centres_mm - along).argmin())
        assert abs(spine.centres_mm[number] - along) < 4.5
        assert abs(body.height_mm - (LENGTHS_MM[number] - DISC_MM)) < 6.0
        assert abs(body.x_mm) < 3.0
        assert body.confidence > 0.6
    assert list(bodies) == sorted(bodies, key=lambda body: body.z_mm)


def test_a_cut_body_is_not_whole() -> None:
    spine = DrawnSpine(bottom_mm=9.0)
    bodies = find_bodies(spine, find_column(spine), -1000.0, 1000.0)
    assert abs(bodies[0].z_mm - spine.centres_mm[1]) < 2.5


def test_a_spine_upside_down_is_refused() -> None:
    spine = DrawnSpine(upside_down=True)
    with pytest.raises(Excluded) as refused:
        find_bodies(spine, find_column(spine), -1000.0, 1000.0)
    assert refused.value.reason is Reason.IMPLAUSIBLE_ANATOMY


def test_half_a_vertebra_away_fits_much_worse() -> None:
    spine = DrawnSpine()
    found = look_for_bodies(spine, find_column(spine), -1000.0, 1000.0)
    assert found.margin > 0.3


def test_a_short_range_is_not_covered() -> None:
    spine = DrawnSpine()
    with pytest.raises(Excluded) as refused:
        find_bodies(spine, find_column(spine), 20.0, 50.0)
    assert refused.value.reason is Reason.SPINE_NOT_COVERED
