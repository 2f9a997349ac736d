"""Rows out of headers: what can be true is kept, and nothing that a header says ends the night."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.findings import Bench
from flows.study import screen_study
from tasks.dicom.instance import Frame, Identity
from tasks.publish.journal import Journal
from tests.builders import AXIAL, axial_series, localizer, study
from tests.flows.benches import bench_at, work_of


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return bench_at(tmp_path_factory.mktemp("rows") / "lake")


def test_a_refused_study_carries_what_its_header_says(bench: Bench) -> None:
    slices = axial_series(6, scanner_model="Definition AS", site="Hospital")
    row = screen_study(bench, work_of(study(slices))).screening
    assert row.study_date == date(2024, 3, 15)
    assert (row.age_years, row.sex) == (70.0, "F")
    assert (row.manufacturer, row.scanner_model, row.site) == ("SIEMENS", "Definition AS", "Hospital")
    assert row.patient_key == "patient-key"
    assert (row.run_id, row.model_label) == ("run-1", bench.manifest.label)


def test_a_row_has_the_day_by_which_its_study_was_chosen(bench: Bench) -> None:
    as_acr_nema_wrote_it = study(axial_series(6, study_date="2024.03.15"))
    assert screen_study(bench, work_of(as_acr_nema_wrote_it)).screening.study_date == date(2024, 3, 15)


def test_a_row_has_the_age_by_which_its_patient_was_let_in(bench: Bench) -> None:
    scout = localizer(series_uid="1.2.3.0", age_text="")
    row = screen_study(bench, work_of(study([scout, *axial_series(200)]))).screening
    assert (row.series_uid, row.age_years) == ("1.2.3.1", 70.0)


def test_the_row_of_a_selected_study_says_what_reading_cost(bench: Bench) -> None:
    row = screen_study(bench, work_of(study(axial_series(200)))).screening
    assert (row.series_uid, row.kvp, row.kernel) == ("1.2.3.1", 120.0, "B30f")
    assert (row.slice_thickness_mm, row.slice_spacing_mm, row.pixel_spacing_mm) == (1.0, 1.0, 0.7)
    assert (row.slices_total, row.slices_read) == (200, 0)
    assert row.coverage_mm == pytest.approx(200, abs=1.5)


@pytest.mark.parametrize(
    ("field", "value", "column"),
    [
        ("kvp", -120.0, "kvp"),
        ("kvp", math.nan, "kvp"),
        ("slice_thickness_mm", math.nan, "slice_thickness_mm"),
        ("slice_thickness_mm", -1.0, "slice_thickness_mm"),
        ("kernel", "\udcff", "kernel"),
        ("sex", "female", "sex"),
        ("study_date", "20240231", "study_date"),
        ("study_date", "yesterday", "study_date"),
        ("manufacturer", "\udcff\x00", "manufacturer"),
        ("age_text", "999Y", "age_years"),
    ],
)
def test_what_cannot_be_true_is_left_out(field: str, value: Any, column: str, bench: Bench) -> None:  # noqa: ANN401 - any field
    slices = [replace(item, **{field: value}) for item in axial_series(200)]
    result = screen_study(bench, work_of(study(slices)))
    assert getattr(result.screening, column) is None
    with bench.lake.locked("a test"):
        Journal(bench.lake).record(result)


# Text as headers have it: any characters, among them what is left of bytes in no known encoding.
TEXT = st.one_of(st.text(max_size=8), st.just("\udcff"), st.just("=1+1"), st.just("\x00"))
NUMBER = st.one_of(st.none(), st.floats(), st.just(-120.0), st.just(1e308))
HOSTILE: dict[str, st.SearchStrategy[Any]] = {
    "study_date": TEXT,
    "modality": st.one_of(st.just("CT"), TEXT),
    "study_description": TEXT,
    "series_description": TEXT,
    "body_part": TEXT,
    "series_number": st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)),
    "sex": TEXT,
    "age_text": TEXT,
    "patient_height_m": NUMBER,
    "manufacturer": TEXT,
    "scanner_model": TEXT,
    "site": TEXT,
    "kvp": NUMBER,
    "kernel": TEXT,
    "contrast_agent": TEXT,
    "gantry_tilt_deg": NUMBER,
    "slice_thickness_mm": NUMBER,
    "pixel_spacing_mm": st.one_of(st.none(), st.tuples(st.floats(), st.floats())),
    "rows": st.integers(0, 2**16 - 1),
    "columns": st.integers(0, 2**16 - 1),
    "transfer_syntax_uid": TEXT,
    "identity": st.builds(Identity, TEXT, TEXT, TEXT, TEXT, TEXT),
    "frames": st.lists(
        st.builds(
            Frame,
            st.one_of(st.none(), st.tuples(st.floats(), st.floats(), st.floats())),
            st.one_of(st.none(), st.just(AXIAL), st.tuples(*[st.floats()] * 6)),
            st.floats(),
            st.floats(),
        ),
        max_size=2,
    ).map(tuple),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    hostile=st.fixed_dictionaries({}, optional=HOSTILE),
    every=st.integers(1, 4),
)
def test_no_header_however_hostile_ends_the_night(hostile: dict[str, Any], every: int, bench: Bench) -> None:
    slices = [
        replace(item, **hostile) if index % every == 0 else item
        for index, item in enumerate(axial_series(24))
    ]
    result = screen_study(bench, work_of(study(slices)))
    assert result.screening.reason is not None
    assert result.screening.probability is None
    with bench.lake.locked("a test"):
        Journal(bench.lake).record(result)


def test_what_was_recorded_of_hostile_headers_can_be_published(tmp_path: Path) -> None:
    bench = bench_at(tmp_path / "lake")
    slices = axial_series(6, kvp=-1.0, kernel="\udcff", identity=Identity("\udcff", "", "\udcff"))
    result = screen_study(bench, work_of(study(slices)))
    with bench.lake.locked("a test"):
        bench.lake.publish([result])
    ((row, _),) = bench.lake.history("1.2.3")
    assert row.reason == result.screening.reason
