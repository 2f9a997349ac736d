"""Which series is measured, and with which reason a study is refused."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.archive.folder import FolderArchive
from tasks.dicom.instance import Frame, Identity, Instance
from tasks.outcomes import Excluded, Failed, Reason, StudyEnded, Warn
from tasks.select.rules import PATIENT_RULES, SERIES_RULES
from tasks.select.series import eligible_series, judge_study, select_series
from tasks.settings import Eligibility, Settings
from tests.builders import AXIAL, CORONAL, SAGITTAL, axial_series, axial_slice, localizer, study

SETTINGS = Settings()
LETS_UNKNOWN_AGE_IN = Settings(eligibility=Eligibility(unknown_age="warn"))


def tilted_series(degrees_cos: float, degrees_sin: float, *, sheared: bool) -> list[Instance]:
    """Slices turned about the left-right axis, stacked along z (sheared) or along their normal."""
    orientation = (1.0, 0.0, 0.0, 0.0, degrees_cos, -degrees_sin)
    step = (0.0, 0.0, 1.0) if sheared else (0.0, degrees_sin, degrees_cos)
    return [
        axial_slice(n, frames=(Frame((-180.0, -180.0 + n * step[1], n * step[2]), orientation),))
        for n in range(300)
    ]


def without(instances: Sequence[Instance], *numbers: int) -> list[Instance]:
    return [instance for n, instance in enumerate(instances) if n not in numbers]


def jittered() -> list[Instance]:
    rng = random.Random(1)
    return [axial_slice(n + rng.uniform(-0.2, 0.2)) for n in range(300)]


def two_centres() -> list[Instance]:
    even = axial_series(301)  # an odd number: first and last lie in one line
    return [
        replace(slice_, frames=(replace(slice_.frames[0], position_mm=(-150.0, -180.0, float(n))),))
        if n % 2
        else slice_
        for n, slice_ in enumerate(even)
    ]


def rescaled(in_plane: float = 1.0, along: float = 1.0) -> list[Instance]:
    """A series whose pixel spacing or slice positions became larger by a factor, and nothing else."""
    return [
        axial_slice(
            along * n,
            slice_location_mm=-float(n),
            reconstruction_diameter_mm=512 * 0.7,
            pixel_spacing_mm=(in_plane * 0.7, in_plane * 0.7),
        )
        for n in range(300)
    ]


def damaged(instances: Sequence[Instance], *numbers: int) -> list[Instance]:
    return [
        replace(instance, problem="cut", frames=()) if n in numbers else instance
        for n, instance in enumerate(instances)
    ]


REFUSALS: list[tuple[Reason, Callable[[], list[Instance]]]] = [
    (Reason.NOT_CT, lambda: axial_series(modality="MR", sop_class_uid="1.2.840.10008.5.1.4.1.1.4")),
    (Reason.NOT_CT, lambda: axial_series(modality="PT", sop_class_uid="1.2.840.10008.5.1.4.1.1.128")),
    (Reason.NOT_CT, lambda: axial_series(sop_class_uid="1.2.840.10008.5.1.4.1.1.20")),
    (Reason.LOCALIZER, lambda: [localizer(), localizer(SAGITTAL)]),
    (Reason.LOCALIZER, lambda: [localizer(image_type=("ORIGINAL", "PRIMARY", "AXIAL"))]),
    (Reason.LOCALIZER, lambda: [axial_slice(image_type=(), series_description="Topogram 0.6")]),
    (Reason.DERIVED, lambda: axial_series(image_type=("DERIVED", "SECONDARY", "REFORMATTED"))),
    (Reason.DERIVED, lambda: axial_series(image_type=("DERIVED", "SECONDARY", "AXIAL"))),
    (Reason.DERIVED, lambda: axial_series(image_type=("DERIVED", "PRIMARY", "AXIAL", "CT_SOM5 MIP"))),
    (Reason.DERIVED, lambda: axial_series(image_type=("ORIGINAL", "PRIMARY", "AXIAL", "MIN_IP"))),
    (Reason.DERIVED, lambda: axial_series(series_description="Thorax axial MIP 8/2")),
    (Reason.DERIVED, lambda: axial_series(series_description="Virtual Non Contrast")),
    (Reason.DERIVED, lambda: axial_series(series_description="MonoE 70 keV")),
    (Reason.DERIVED, lambda: axial_series(sop_class_uid="1.2.840.10008.5.1.4.1.1.7")),
    (Reason.DERIVED, lambda: axial_series(photometric="RGB", samples_per_pixel=3)),
    (Reason.DERIVED, lambda: axial_series(rescale_type="MGML")),
    (Reason.DERIVED, lambda: axial_series(rescale_type="HU_MOD")),
    (Reason.DERIVED, lambda: axial_series(rescale_type="HU\\Z_EFF")),
    (Reason.NOT_AXIAL, lambda: [_upright(n, CORONAL) for n in range(60)]),
    (Reason.NOT_AXIAL, lambda: [_upright(n, SAGITTAL) for n in range(60)]),
    (Reason.NOT_AXIAL, lambda: tilted_series(0.9397, 0.3420, sheared=False)),
    (Reason.NOT_AXIAL, lambda: axial_series(frames=())),
    (Reason.NOT_AXIAL, lambda: [_rotated(n) for n in range(60)]),
    (Reason.GANTRY_TILT, lambda: tilted_series(0.9397, 0.3420, sheared=True)),
    (Reason.GANTRY_TILT, lambda: axial_series(gantry_tilt_deg=-12.0)),
    (Reason.ANISOTROPIC_PIXELS, lambda: axial_series(pixel_spacing_mm=(0.7, 0.8))),
    (Reason.ANISOTROPIC_PIXELS, lambda: axial_series(pixel_spacing_mm=None)),
    *((Reason.ANISOTROPIC_PIXELS, partial(rescaled, in_plane=factor)) for factor in (0.7, 1.25, 1.5)),
    (Reason.UNEVEN_SPACING, jittered),
    *((Reason.UNEVEN_SPACING, partial(rescaled, along=factor)) for factor in (0.7, 1.25, 1.5)),
    (Reason.UNEVEN_SPACING, two_centres),
    (Reason.UNEVEN_SPACING, lambda: axial_series(100) + axial_series(100, start_mm=100.5)),
    (Reason.TOO_FEW_SLICES, lambda: axial_series(9)),
    (Reason.TOO_FEW_SLICES, lambda: [axial_slice(0, instance_number=n) for n in range(40)]),
    (Reason.THICK_SLICES, lambda: axial_series(40, 8.0, slice_thickness_mm=8.0)),
    (Reason.THICK_SLICES, lambda: axial_series(40, 8.0, slice_thickness_mm=None)),
    (Reason.THICK_SLICES, lambda: axial_series(80, 4.0, slice_thickness_mm=8.0)),
    (Reason.THICK_SLICES, lambda: axial_series(30, 10.0, slice_thickness_mm=1.0)),
    (Reason.NOT_CHEST, lambda: axial_series(body_part="HEAD", series_description="", study_description="")),
    (Reason.NOT_CHEST, lambda: axial_series(body_part="", series_description="Abdomen 5.0")),
    (Reason.CONTRAST_ENHANCED, lambda: axial_series(contrast_agent="OMNI")),
    (Reason.CONTRAST_ENHANCED, lambda: [*axial_series(299), axial_slice(299, contrast_agent="IV")]),
    (Reason.CONTRAST_ENHANCED, lambda: axial_series(series_description="Thorax C+ 1.0")),
    (Reason.CONTRAST_ENHANCED, lambda: axial_series(study_description="CT CHEST W/ CONT")),
    (Reason.CONTRAST_ENHANCED, lambda: without(axial_series(contrast_agent="OMNI"), 150)),
    (Reason.UNREADABLE_FILE, lambda: damaged(axial_series(), 150)),
    (Reason.UNREADABLE_FILE, lambda: damaged(axial_series(3), 0, 1, 2)),
    (Reason.MISSING_SLICES, lambda: without(axial_series(), 150)),
    (Reason.MISSING_SLICES, lambda: without(axial_series(), 70, 71, 72, 200)),
    (Reason.MISSING_SLICES, lambda: axial_series(100) + axial_series(100, start_mm=120.0)),
    (Reason.TOO_YOUNG, lambda: axial_series(age_text="049Y")),
    (Reason.TOO_YOUNG, lambda: axial_series(age_text="018M")),
    (Reason.AGE_UNKNOWN, lambda: axial_series(age_text="")),
    (Reason.AGE_UNKNOWN, lambda: axial_series(age_text="000Y")),
    (Reason.KNOWN_OSTEOPOROSIS, lambda: axial_series(identity=Identity(patient_id="KNOWN"))),
]


def _upright(n: int, orientation: tuple[float, ...]) -> Instance:
    frame = Frame((float(n), float(n), 0.0), orientation)  # type: ignore[arg-type]
    return axial_slice(n, frames=(frame,))


def _rotated(n: int) -> Instance:
    half = 0.5**0.5
    return axial_slice(n, frames=(Frame((0.0, 0.0, float(n)), (half, half, 0.0, -half, half, 0.0)),))


@pytest.mark.parametrize(("reason", "make"), REFUSALS, ids=[str(reason) for reason, _ in REFUSALS])
def test_a_study_is_refused_with_its_reason(reason: Reason, make: Callable[[], list[Instance]]) -> None:
    with pytest.raises(StudyEnded) as ended:
        select_series(study(make()), SETTINGS, known_osteoporosis={("KNOWN", "")})
    assert ended.value.reason is reason
    assert ended.value.detail


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"reconstruction_diameter_mm": 350.0},
        {"reconstruction_diameter_mm": 0.0, "slice_location_mm": 12.0},
    ],
    ids=["agrees", "rounded", "says nothing"],
)
def test_a_header_that_says_its_lengths_twice_alike_passes(said: dict[str, float]) -> None:
    images = [replace(image, **said) for image in rescaled()]  # type: ignore[arg-type]
    assert select_series(study(images), SETTINGS).series_uid


def scaled(instance: Instance, in_plane: float, along: float) -> Instance:
    """A header with its pixel spacing and its position changed, and nothing else."""
    (frame,), spacing = instance.frames, instance.pixel_spacing_mm
    assert frame.position_mm is not None
    assert spacing is not None
    x, y, z = frame.position_mm
    moved = replace(frame, position_mm=(x * in_plane, y * in_plane, z * along))
    return replace(instance, frames=(moved,), pixel_spacing_mm=(spacing[0] * in_plane, spacing[1] * in_plane))


@pytest.mark.real_ct
@pytest.mark.parametrize("factor", [0.7, 0.9, 1.25, 1.5])
@pytest.mark.parametrize("chest", ["unenhanced", "philips_ffs", "siemens_3mm", "philips_5mm"])
def test_headers_of_real_chests_contradict_a_wrong_scale(real_ct: Path, chest: str, factor: float) -> None:
    scan = FolderArchive(real_ct / f"chest_ct_{chest}").scan()
    true = scan.study(scan.studies[0].study_uid)
    assert select_series(true, LETS_UNKNOWN_AGE_IN).series_uid
    for in_plane, along, reason in [
        (factor, 1.0, Reason.ANISOTROPIC_PIXELS),
        (1.0, factor, Reason.UNEVEN_SPACING),
        (factor, factor, Reason.ANISOTROPIC_PIXELS),
    ]:
        wrong = study(scaled(image, in_plane, along) for series in true.series for image in series.instances)
        with pytest.raises(Excluded) as refused:
            select_series(wrong, LETS_UNKNOWN_AGE_IN)
        assert refused.value.reason is reason


@pytest.mark.parametrize("unit", ["", "HU", "US", "hu ", "Hounsfield", "Houndsfield Unit"])
def test_hounsfield_units_pass_however_they_are_spelt(unit: str) -> None:
    assert select_series(study(axial_series(rescale_type=unit)), SETTINGS).series_uid


def test_a_unit_of_no_defined_term_is_not_shown() -> None:
    with pytest.raises(Excluded) as refused:
        select_series(study(axial_series(rescale_type="LEAK^MANN")), SETTINGS)
    assert refused.value.reason is Reason.DERIVED
    assert "LEAK" not in refused.value.detail


TABLE = [(rule.reason, rule.needs, rule.source, rule.limit) for rule in SERIES_RULES] + [
    (rule.reason, rule.needs, rule.source, rule.limit) for rule in PATIENT_RULES
]


def test_every_rule_is_reached_by_a_refusal_above() -> None:
    assert {reason for reason, *_ in TABLE} <= {reason for reason, _ in REFUSALS}


@pytest.mark.parametrize(("reason", "needs", "source", "limit"), TABLE)
def test_a_rule_says_what_it_needs_and_where_it_comes_from(
    reason: Reason, needs: str, source: str, limit: str
) -> None:
    section, _, name = limit.partition(".")
    assert needs
    assert source
    assert reason.sentence
    assert not limit or hasattr(getattr(SETTINGS, section), name)


def test_a_study_without_images_is_no_ct() -> None:
    with pytest.raises(Excluded) as ended:
        select_series(study([]), SETTINGS)
    assert ended.value.reason is Reason.NOT_CT


def test_a_study_of_files_that_nobody_could_read_failed() -> None:
    with pytest.raises(Failed) as ended:
        select_series(study([], unreadable=3), SETTINGS)
    assert ended.value.reason is Reason.UNREADABLE_FILE


def test_a_plain_chest_is_selected() -> None:
    selected = select_series(study(axial_series(300)), SETTINGS)
    assert (selected.series_uid, len(selected.stack.planes), selected.age_years) == ("1.2.3.1", 300, 70.0)
    assert selected.warnings == ()


def test_a_short_scan_is_selected_for_its_contrast_to_be_judged() -> None:
    selected = select_series(study(axial_series(60)), SETTINGS)
    assert selected.stack.coverage_mm < SETTINGS.selection.min_coverage_mm


@pytest.mark.parametrize(
    "odd",
    [
        localizer(),
        localizer(SAGITTAL),
        localizer(image_type=("ORIGINAL", "PRIMARY", "AXIAL")),
        localizer(image_type=("ORIGINAL", "PRIMARY", "AXIAL"), rows=512),
        localizer(AXIAL, image_type=("ORIGINAL", "PRIMARY", "AXIAL")),
        axial_slice(150.4, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")),
        axial_slice(150.0, instance_number=900),
        axial_slice(150.3, pixel_spacing_mm=(0.5, 0.5)),
    ],
    ids=[
        "coronal",
        "sagittal",
        "says axial",
        "same grid",
        "other grid",
        "in the plane",
        "duplicate",
        "other pixel",
    ],
)
def test_an_odd_image_inside_a_series_does_not_change_its_geometry(odd: Instance) -> None:
    clean = select_series(study(axial_series(300)), SETTINGS).stack
    mixed = select_series(study([*axial_series(300), odd]), SETTINGS).stack
    assert (mixed.spacing_mm, mixed.gaps_mm) == (clean.spacing_mm, clean.gaps_mm)
    assert len(mixed.planes) == 300


@pytest.mark.parametrize("ends", [(0,), (299,), (0, 1, 298, 299)])
def test_slices_that_are_missing_at_the_ends_do_not_matter(ends: tuple[int, ...]) -> None:
    selected = select_series(study(without(axial_series(300), *ends)), SETTINGS)
    assert len(selected.stack.planes) == 300 - len(ends)


@settings(max_examples=30, deadline=None)
@given(slices=st.integers(20, 200), data=st.data(), spacing=st.floats(0.5, 4.9))
def test_any_slice_missing_inside_is_noticed(slices: int, data: st.DataObject, spacing: float) -> None:
    gone = data.draw(st.integers(1, slices - 2))
    instances = without(axial_series(slices, round(spacing, 3)), gone)
    data.draw(st.randoms(use_true_random=False)).shuffle(instances)
    with pytest.raises(Failed) as ended:
        select_series(study(instances), SETTINGS)
    assert ended.value.reason is Reason.MISSING_SLICES


def test_positions_written_with_two_decimals_are_even() -> None:
    instances = [axial_slice(round(n * 0.625, 2)) for n in range(300)]
    assert len(select_series(study(instances), SETTINGS).stack.planes) == 300


@pytest.mark.parametrize("numbered", [True, False])
def test_two_acquisitions_over_the_same_place_are_judged_apart(numbered: bool) -> None:
    first = axial_series(300, acquisition_number=1 if numbered else None)
    second = [
        axial_slice(n + 0.0, instance_number=301 + n, acquisition_number=2 if numbered else None)
        for n in range(300)
    ]
    judgements = judge_study(study([*second, *first]), SETTINGS)
    assert [(j.spacing_mm, j.reason) for j in judgements] == [(1.0, None), (1.0, None)]
    chosen = select_series(study([*second, *first]), SETTINGS).stack.planes
    assert {plane.instance.sop_instance_uid for plane in chosen} == {i.sop_instance_uid for i in first}


def test_of_two_acquisitions_that_leave_a_gap_the_longer_is_measured() -> None:
    chest = axial_series(300, acquisition_number=1)
    pelvis = axial_series(100, start_mm=-250.0, acquisition_number=2)
    assert len(select_series(study([*chest, *pelvis]), SETTINGS).stack.planes) == 300


def test_a_scanner_that_numbers_each_slice_as_an_acquisition_is_one_series() -> None:
    instances = [axial_slice(n * 5.0, acquisition_number=n, slice_thickness_mm=5.0) for n in range(60)]
    assert len(select_series(study(instances), SETTINGS).stack.planes) == 60


def series(number: int, slices: int = 300, spacing_mm: float = 1.0, **overrides: Any) -> list[Instance]:  # noqa: ANN401
    return axial_series(
        slices, spacing_mm, **{"series_uid": f"1.2.3.{number}", "series_number": number, **overrides}
    )


@pytest.mark.parametrize(
    ("preferred", "other"),
    [
        (series(2), series(1, kernel="B70f")),
        (series(2), series(1, kernel="XYZ")),
        (series(2, kernel="XYZ"), series(1, kernel="B70f")),
        (series(2, 100, 3.0, slice_thickness_mm=3.0), series(1, kernel="B70f")),
        (series(2), series(1, image_type=("DERIVED", "PRIMARY", "AXIAL"))),
        (series(2), series(1, 60, 5.0, slice_thickness_mm=5.0)),
        (series(2), series(1, slice_thickness_mm=2.0)),
        (series(2), series(1, 200)),
        (series(2, 60, 5.0, slice_thickness_mm=5.0), series(1, 90)),
        (series(2), series(1, contrast_agent="OMNI")),
        (
            series(2, kernel="B70f", series_description="Thorax nativ"),
            series(1, series_description="Thorax C+"),
        ),
        (series(2), series(1, modality="PT")),
        (series(2), without(series(1, 400), 200)),
        (series(2), series(1, body_part="", series_description="", study_description="")),
        (series(1), series(2)),
    ],
    ids=[
        "soft over sharp",
        "soft over unknown",
        "unknown over sharp",
        "soft over thin",
        "original",
        "thin spacing",
        "thin",
        "long",
        "covering over thin",
        "unenhanced",
        "unenhanced by words",
        "ct over pet",
        "whole",
        "chest",
        "first number",
    ],
)
def test_the_better_series_is_chosen(preferred: list[Instance], other: list[Instance]) -> None:
    for mixture in ([*preferred, *other], [*other, *preferred]):
        assert select_series(study(mixture), SETTINGS).series_uid == preferred[0].series_uid


def test_where_words_are_silent_beside_an_enhanced_series_the_one_that_says_native_comes_first() -> None:
    silent, native = series(1), series(2, series_description="Thorax nativ", kernel="XYZ")
    enhanced = series(3, contrast_agent="OMNI")
    found = eligible_series(study([*silent, *native, *enhanced]), SETTINGS)
    assert [selected.series_uid for selected in found] == ["1.2.3.2", "1.2.3.1"]


def test_a_sharp_kernel_alone_is_selected_with_a_warning() -> None:
    assert select_series(study(axial_series(kernel="LUNG")), SETTINGS).warnings == (Warn.SHARP_KERNEL,)


def test_unknown_age_is_let_in_with_a_warning_when_the_settings_say_so() -> None:
    selected = select_series(study(axial_series(age_text="")), LETS_UNKNOWN_AGE_IN)
    assert (selected.age_years, selected.warnings) == (None, (Warn.AGE_UNKNOWN,))


def test_the_reason_is_that_of_the_series_that_got_furthest() -> None:
    instances = [localizer(series_uid="1.2.3.9"), *series(1, 40, 8.0), *series(2, contrast_agent="OMNI")]
    random.Random(0).shuffle(instances)
    with pytest.raises(Excluded) as ended:
        select_series(study(instances), SETTINGS)
    assert ended.value.reason is Reason.CONTRAST_ENHANCED


def test_a_broken_study_of_someone_too_young_is_no_failure() -> None:
    with pytest.raises(Excluded) as ended:
        select_series(study(without(axial_series(age_text="030Y"), 150)), SETTINGS)
    assert ended.value.reason is Reason.TOO_YOUNG


def test_lies_of_de_identification_part_nothing() -> None:
    instances = [axial_slice(n, frame_of_reference_uid=f"1.9.{n}") for n in range(300)]
    assert len(select_series(study(instances), SETTINGS).stack.planes) == 300


def test_details_tell_nothing_of_the_header() -> None:
    secret: dict[str, Any] = {
        "modality": "DOE^JOHN",
        "photometric": "DOE^JOHN",
        "series_description": "DOE JOHN MPR",
    }
    for judgement in judge_study(
        study([*series(1, **secret), *series(2, series_description="MPR DOE")]), SETTINGS
    ):
        assert judgement.reason is not None
        assert "DOE" not in judgement.detail
