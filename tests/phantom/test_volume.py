"""Whole scans: slices by themselves, the truth at the levels, air, padding, metal, contrast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from tasks.phantom.patient import sample_patient
from tasks.phantom.scanner import sample_scanner
from tasks.phantom.twists import changed_patient
from tasks.phantom.volume import PADDING_HU, Scan, plan_scan, render_slice, render_volume


def _scan(seed: int = 4, twist: str = "", *, circle: bool = False, top: str = "T5") -> Scan:
    patient = changed_patient(sample_patient(np.random.default_rng(seed), density_hu=150.0), twist)
    scanner = replace(
        sample_scanner(np.random.default_rng(seed), kvp=120, kernel_kind="soft"),
        thickness_mm=3.0,
        spacing_mm=3.0,
        offset_hu=0.0,
    )
    return plan_scan(patient, scanner, top=top, bottom="L1", side=256, circle=circle)


def _around(scan: Scan, level: str) -> tuple[npt.NDArray[np.int16], float, float]:
    """The slice nearest to a body's middle, and where in it (row, column) the body's centre lies."""
    body = scan.patient.vertebra(level)
    index = int(np.argmin(np.abs(np.array(scan.z_mm) - body.z_mm)))
    dx, dy = body.x_mm - scan.centre_mm[0], body.y_mm - scan.centre_mm[1]
    cos, sin = np.cos(scan.turn_rad), np.sin(scan.turn_rad)
    middle = (scan.side - 1) / 2
    row = middle + (cos * dy - sin * dx) / scan.pixel_mm
    column = middle + (cos * dx + sin * dy) / scan.pixel_mm
    return render_slice(scan, index), float(row), float(column)


@pytest.mark.parametrize("level", ["T6", "T8", "T10", "T12"])
def test_the_truth_stands_at_the_levels(level: str) -> None:
    scan = _scan()
    image, row, column = _around(scan, level)
    rows, columns = np.indices(image.shape)
    disc = np.hypot(rows - row + 2.0, columns - column) < 5.0 / scan.pixel_mm
    assert image[disc].mean() == pytest.approx(scan.patient.vertebra(level).trabecular_hu, abs=22.0)


def test_a_slice_does_not_depend_on_the_others() -> None:
    scan = _scan(top="T11")
    whole = [image for _, image in render_volume(scan)]
    assert len(whole) == len(scan.z_mm)
    for index in (len(whole) - 1, 0, 7):
        assert np.array_equal(render_slice(scan, index), whole[index])


def test_slices_ascend_evenly_and_cover_what_was_asked() -> None:
    scan = _scan(top="T8")
    assert np.allclose(np.diff(scan.z_mm), 3.0, atol=2e-3)
    assert scan.z_mm[-1] + 3.0 >= scan.patient.vertebra("T8").top_mm
    assert scan.z_mm[0] - 3.0 <= scan.patient.vertebra("L1").bottom_mm


def test_air_surrounds_the_patient_and_padding_the_field_of_view() -> None:
    plain, round_ = (render_slice(_scan(circle=circle), 20) for circle in (False, True))
    assert np.abs(plain[:6].astype(float).mean() + 1000.0) < 20.0
    assert round_[0, 0] == round_[-1, -1] == PADDING_HU
    assert (plain >= -1024).all()


def test_metal_and_contrast_show_in_the_image() -> None:
    steel = _scan(twist="metal")
    body = steel.patient.vertebra("T10")
    index = int(np.argmin(np.abs(np.array(steel.z_mm) - body.z_mm - 0.2 * body.height_mm)))
    assert render_slice(steel, index).max() > 2500
    enhanced = _scan(twist="enhanced_silently")
    assert enhanced.patient.blood_hu > 120.0
    difference = render_slice(enhanced, 40).astype(int) - render_slice(_scan(), 40)
    assert np.percentile(difference, 99) > 100.0


@pytest.mark.parametrize(("top", "bottom"), [("L1", "T5"), ("S1", "L1")])
def test_a_range_that_is_none_is_refused(top: str, bottom: str) -> None:
    scan = _scan()
    with pytest.raises(ValueError):
        plan_scan(scan.patient, scan.scanner, top=top, bottom=bottom)
