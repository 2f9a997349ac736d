"""`headers_of`: what few instances settle, and every series that they do not, which is then read whole."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.archive.dimse.headers import FEWEST_TO_PREDICT, SAME_POSITION_MM, headers_of
from tasks.dicom.fields import as_vector
from tasks.dicom.header import read_header
from tasks.dicom.instance import Frame, Identity, Instance
from tests.builders import CORONAL, axial_series, axial_slice, localizer

SLICES = 40


@dataclass
class Archive:
    """The real headers, and which of them were fetched."""

    real: Sequence[Instance]
    fetched: list[str] = field(default_factory=list)

    def __call__(self, uids: Sequence[str]) -> Mapping[str, Instance]:
        self.fetched += uids
        return {one.sop_instance_uid: one for one in self.real if one.sop_instance_uid in set(uids)}

    @property
    def is_read_whole(self) -> bool:
        return set(self.fetched) == {one.sop_instance_uid for one in self.real}


def only_numbers(real: Instance) -> Instance:
    """What an index says that knows UIDs and instance numbers."""
    return Instance(
        source=real.sop_instance_uid,
        size_bytes=0,
        study_uid=real.study_uid,
        series_uid=real.series_uid,
        sop_instance_uid=real.sop_instance_uid,
        sop_class_uid="",
        transfer_syntax_uid="",
        instance_number=real.instance_number,
        frames=(Frame(None, None),),
    )


def with_places(real: Instance) -> Instance:
    """What an index says that knows places and sizes too."""
    frames = tuple(Frame(frame.position_mm, frame.orientation) for frame in real.frames)
    return replace(only_numbers(real), frames=frames, rows=real.rows, columns=real.columns)


def everything(real: Instance) -> Instance:
    """What an index says that knows the header, though not the file."""
    return replace(real, size_bytes=0, pixel_offset=None, transfer_syntax_uid="")


INDEXES: list[Callable[[Instance], Instance]] = [only_numbers, with_places, everything]


def comparable(header: Instance) -> Instance:
    """Without what belongs to one file or to nothing, and lengths to 0.01 mm."""
    location = header.slice_location_mm
    return replace(
        header,
        source="",
        size_bytes=0,
        content_token="",
        frame_of_reference_uid="",
        pixel_offset=None,
        padding_value=None,
        slice_location_mm=None if location is None else round(location, 2),
        frames=tuple(
            replace(frame, position_mm=as_vector(tuple(round(part, 2) for part in frame.position_mm or ())))
            for frame in header.frames
        ),
    )


def headers_by(
    index: Callable[[Instance], Instance], real: Sequence[Instance]
) -> tuple[tuple[Instance, ...], Archive]:
    archive = Archive(real)
    listed = [index(one) for one in real]
    random.Random(7).shuffle(listed)
    headers = headers_of(listed, archive)
    assert [header.sop_instance_uid for header in headers] == [one.sop_instance_uid for one in listed]
    return headers, archive


@pytest.mark.parametrize(("index", "fetched"), [(only_numbers, 5), (with_places, 3), (everything, 3)])
def test_few_instances_settle_a_plain_series(index: Callable[[Instance], Instance], fetched: int) -> None:
    real = [
        replace(one, instance_number=101 + n, slice_location_mm=-50.0 - 0.75 * n)
        for n, one in enumerate(axial_series(SLICES, 0.75))
    ]
    headers, archive = headers_by(index, real)
    assert len(archive.fetched) == fetched
    expected = {one.sop_instance_uid: comparable(one) for one in real}
    assert {one.sop_instance_uid: comparable(one) for one in headers} == expected


@given(
    start=st.tuples(*[st.floats(-500, 500)] * 3),
    step=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(0.3, 5.0) | st.floats(-5.0, -0.3)),
    slices=st.integers(FEWEST_TO_PREDICT, 60),
    first=st.integers(-3, 500),
)
def test_places_on_a_line_are_predicted_wherever_it_runs(
    start: tuple[float, float, float], step: tuple[float, float, float], slices: int, first: int
) -> None:
    real = []
    for n in range(slices):
        x, y, z = (round(a + n * b, 4) for a, b in zip(start, step, strict=True))
        frame = Frame((x, y, z), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), intercept=-1024.0)
        real.append(axial_slice(n, frames=(frame,), instance_number=first + n))
    headers, archive = headers_by(only_numbers, real)
    assert len(archive.fetched) == 5
    expected = {one.sop_instance_uid: one.frames[0].position_mm for one in real}
    for header in headers:
        assert header.frames[0].position_mm == pytest.approx(
            expected[header.sop_instance_uid], abs=SAME_POSITION_MM
        )


@pytest.mark.real_ct
@pytest.mark.parametrize(
    "name",
    [
        "chest_ct_unenhanced",
        "chest_ct_philips_ffs",
        "chest_ct_siemens_3mm",
        "chest_ct_philips_5mm",
        "chest_ct_partial",
    ],
)
@pytest.mark.parametrize("index", INDEXES)
def test_few_instances_settle_a_real_series(
    real_ct: Path, name: str, index: Callable[[Instance], Instance]
) -> None:
    headers = [read_header(path, path.stat().st_size) for path in sorted((real_ct / name).glob("*.dcm"))]
    real = [header for header in headers if isinstance(header, Instance)]
    found, archive = headers_by(index, real)
    assert len(archive.fetched) <= 5
    expected = {one.sop_instance_uid: comparable(one) for one in real}
    assert {one.sop_instance_uid: comparable(one) for one in found} == expected


def numbered(slices: Sequence[Instance]) -> list[Instance]:
    return [replace(one, instance_number=n) for n, one in enumerate(slices, start=1)]


def two_reconstructions(interleaved: bool) -> list[Instance]:
    one = axial_series(SLICES // 2, 1.0)
    other = axial_series(SLICES // 2, 1.0, kernel="B70f")
    pairs = [each for pair in zip(one, other, strict=True) for each in pair]
    return numbered(pairs if interleaved else [*one, *other])


def three_over_the_same_range() -> list[Instance]:
    """First, middle and last of these lie on one line in equal steps, though no slice between does."""
    return numbered([one for n in range(3) for one in axial_series(15, 1.0, acquisition_number=n)])


DOUBTFUL: dict[str, list[Instance]] = {
    "a number is missing": [one for one in axial_series(SLICES) if one.instance_number != 9],
    "a number is there twice": [
        replace(one, instance_number=min(one.instance_number or 0, SLICES - 1))
        for one in axial_series(SLICES)
    ],
    "numbers are absent": [replace(one, instance_number=None) for one in axial_series(SLICES)],
    "a localizer is first": numbered([localizer(), *axial_series(SLICES)]),
    "a localizer is last": numbered([*axial_series(SLICES), localizer()]),
    "two reconstructions, one after the other": two_reconstructions(interleaved=False),
    "two reconstructions, in turns": two_reconstructions(interleaved=True),
    "three reconstructions of one range": three_over_the_same_range(),
    "a gap in the middle": numbered([*axial_series(SLICES), *axial_series(SLICES, start_mm=60.0)]),
    "the gantry moved": numbered([*axial_series(30), *axial_series(10, 2.0, start_mm=31.0)]),
    "all at one place": numbered([axial_slice(0.0, bits_stored=12, site=str(n)) for n in range(SLICES)]),
    "no places": numbered([replace(one, frames=(Frame(None, None),)) for one in axial_series(SLICES)]),
    "another scale at the end": numbered(
        [*axial_series(SLICES), axial_slice(40.0, frames=(Frame((-180.0, -180.0, 40.0), None, 2.0),))]
    ),
    "other sizes of pixel": numbered([*axial_series(30), *axial_series(30, start_mm=30.0, rows=256)]),
    "another patient at the end": numbered(
        [*axial_series(SLICES), axial_slice(float(SLICES), identity=Identity("P-2"))]
    ),
    "a damaged header": numbered([*axial_series(SLICES), axial_slice(float(SLICES), problem="cut")]),
    "locations that no line explains": numbered(
        [replace(one, slice_location_mm=float(n * n)) for n, one in enumerate(axial_series(SLICES))]
    ),
    "locations that some lack": numbered(
        [
            replace(one, slice_location_mm=float(n) if n else None)
            for n, one in enumerate(axial_series(SLICES))
        ]
    ),
    "too few to tell": axial_series(FEWEST_TO_PREDICT - 1),
    "upright slices among axial ones": numbered(
        [
            *axial_series(SLICES),
            axial_slice(40.0, frames=(Frame((-180.0, -180.0, 40.0), CORONAL, 1.0, -1024.0),)),
        ]
    ),
}


@pytest.mark.parametrize("why", DOUBTFUL)
def test_in_doubt_the_series_is_read_whole(why: str) -> None:
    real = DOUBTFUL[why]
    headers, archive = headers_by(only_numbers, real)
    assert archive.is_read_whole
    assert sorted(headers, key=str) == sorted(real, key=str)


@pytest.mark.parametrize("why", DOUBTFUL)
@pytest.mark.parametrize("index", INDEXES)
def test_no_header_says_another_thing_than_the_real_one(
    why: str, index: Callable[[Instance], Instance]
) -> None:
    real = DOUBTFUL[why]
    headers, _ = headers_by(index, real)
    expected = {comparable(one).sop_instance_uid: comparable(one) for one in real}
    assert {one.sop_instance_uid: comparable(one) for one in headers} == expected


def test_an_index_that_tells_wrong_places_is_not_believed() -> None:
    real = axial_series(SLICES)
    archive = Archive(real)
    listed = []
    for one in real:
        x, y, z = one.frames[0].position_mm or (0.0, 0.0, 0.0)
        listed.append(replace(with_places(one), frames=(Frame((x, y, z + 1.0), one.frames[0].orientation),)))
    assert list(headers_of(listed, archive)) == list(real)


def test_an_index_that_tells_wrong_numbers_is_not_believed() -> None:
    real = axial_series(SLICES)
    archive = Archive(real)
    listed = [replace(only_numbers(one), instance_number=(one.instance_number or 0) + 1) for one in real]
    assert list(headers_of(listed, archive)) == list(real)


def test_what_is_no_image_is_listed_with_its_problem() -> None:
    real = axial_series(SLICES)
    report = replace(only_numbers(axial_slice(0.0)), sop_class_uid="1.2.840.10008.5.1.4.1.1.88.11")
    archive = Archive(real)
    headers = headers_of([*map(only_numbers, real), report], archive)
    assert [bool(header.problem) for header in headers] == [False] * SLICES + [True]
    assert report.sop_instance_uid not in archive.fetched


def test_an_instance_that_came_as_no_image_is_listed_with_its_problem() -> None:
    real = axial_series(SLICES)
    headers = headers_of(list(map(only_numbers, real)), Archive(real[1:]))
    assert headers[0].problem
    assert headers[1:] == tuple(real[1:])
