"""The order of planes: from positions alone, whatever the input's order, patient position or table travel."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.dicom.instance import Frame, Instance
from tasks.dicom.stack import Orientation, Stack, Vector, stack_planes

HEAD_FIRST: Orientation = (1, 0, 0, 0, 1, 0)
FEET_FIRST: Orientation = (-1, 0, 0, 0, 1, 0)
CORONAL: Orientation = (1, 0, 0, 0, 0, -1)


def plane(
    position: Vector | None, orientation: Orientation | None = HEAD_FIRST, uid: str = "", number: int = 0
) -> Instance:
    return Instance(
        source="",
        size_bytes=0,
        study_uid="1",
        series_uid="1.1",
        sop_instance_uid=uid or f"1.1.{position}{orientation}{number}",
        sop_class_uid="",
        transfer_syntax_uid="",
        instance_number=number,
        frames=(Frame(position, orientation),),
    )


def heights(stack: Stack) -> list[float]:
    positions = [p.header.position_mm for p in stack.planes]
    return [position[2] for position in positions if position is not None]


@given(
    count=st.integers(2, 40),
    step=st.floats(0.3, 8),
    start=st.floats(-2000, 2000),
    seed=st.integers(0, 1000),
    orientation=st.sampled_from([HEAD_FIRST, FEET_FIRST]),
)
def test_order_is_that_of_positions_whatever_the_input_order(
    count: int, step: float, start: float, seed: int, orientation: Orientation
) -> None:
    zs = [start + step * index for index in range(count)]
    instances = [plane((-150, -160, z), orientation, number=9999 - int(z)) for z in zs]
    shuffled = random.Random(seed).sample(instances, count)
    stack = stack_planes(shuffled)
    assert heights(stack) == zs
    assert stack == stack_planes(instances)
    assert stack.spacing_mm == pytest.approx(step)
    assert stack.tilt_deg == pytest.approx(0, abs=1e-4)
    assert stack.shear_deg == pytest.approx(0, abs=1e-3)
    assert stack.drift_mm == pytest.approx(0, abs=1e-3)
    assert stack.coverage_mm == pytest.approx(step * (count - 1))


def test_planes_at_one_position_and_repeated_instances_are_left_out() -> None:
    instances = [plane((0, 0, z), uid=f"u{z}", number=z) for z in range(6)]
    again = replace(instances[3], source="a copy")
    second_acquisition = replace(instances[2], sop_instance_uid="v2", acquisition_number=2)
    stack = stack_planes([second_acquisition, again, *reversed(instances)])
    assert heights(stack) == [0, 1, 2, 3, 4, 5]
    assert [p.instance.sop_instance_uid for p in stack.planes] == ["u0", "u1", "u2", "u3", "u4", "u5"]
    assert len(stack.duplicates) == 2
    assert stack.gaps_mm == (1, 1, 1, 1, 1)


def test_a_missing_slice_shows_in_the_gaps_and_not_in_the_spacing() -> None:
    stack = stack_planes(plane((0, 0, z)) for z in (0, 1, 2, 4, 5, 6))
    assert stack.spacing_mm == 1
    assert stack.gaps_mm == (1, 1, 2, 1, 1)


def test_a_localizer_among_the_slices_does_not_change_the_geometry() -> None:
    slices = [plane((0, 0, 0.7 * index)) for index in range(50)]
    localizer = plane((-250, 0, 700), CORONAL)
    stack = stack_planes([localizer, *slices])
    assert stack.planes == stack_planes(slices).planes
    assert stack.spacing_mm == pytest.approx(0.7)


@pytest.mark.parametrize(
    "frame",
    [
        plane(None),
        plane((0, 0, 0), None),
        plane((0, 0, math.nan)),
        plane((0, 0, 0), (0, 0, 0, 0, 0, 0)),
        plane((0, 0, 0), (1, 0, 0, 1, 0, 0)),
        replace(plane((0, 0, 0)), frames=()),
    ],
)
def test_a_plane_that_does_not_say_where_it_lies_is_not_stacked(frame: Instance) -> None:
    stack = stack_planes([frame, plane((0, 0, 1))])
    assert heights(stack) == [1]


def test_nothing_to_stack() -> None:
    stack = stack_planes([plane(None)])
    assert stack.planes == ()
    assert stack.orientation is None
    assert stack.coverage_mm == 0


@pytest.mark.parametrize("angle_deg", [5, 15, 30])
def test_gantry_tilt_shears_and_a_tilted_body_does_not(angle_deg: float) -> None:
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    tilted: Orientation = (1, 0, 0, 0, c, s)
    gantry = stack_planes(plane((0, 0, z), tilted) for z in range(20))
    assert gantry.tilt_deg == pytest.approx(angle_deg)
    assert gantry.shear_deg == pytest.approx(angle_deg)
    reformat = stack_planes(plane((0, -s * k, c * k), tilted) for k in range(20))
    assert reformat.tilt_deg == pytest.approx(angle_deg)
    assert reformat.shear_deg == pytest.approx(0, abs=1e-3)
    assert reformat.spacing_mm == pytest.approx(1)


def test_two_reconstruction_centres_show_as_drift() -> None:
    stack = stack_planes(plane((0 if z < 10 else 25, 0, z)) for z in range(30))
    assert stack.drift_mm > 10


def test_frames_of_one_instance_are_planes() -> None:
    frames = tuple(Frame((0, 0, z), HEAD_FIRST) for z in (4.0, 0.0, 2.0))
    stack = stack_planes([replace(plane(None), frames=frames)])
    assert [p.frame for p in stack.planes] == [1, 2, 0]
    assert stack.spacing_mm == 2
