"""What can be wrong, or odd, with a study: one function a twist, by the name that a plan gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from pydicom.uid import MRImageStorage

from tasks.phantom.canvas import Canvas
from tasks.phantom.damage import cut_header, cut_pixels, garble_code_stream
from tasks.phantom.dicom_writer import make_uid, write_report
from tasks.phantom.job import HuImage, StudyJob
from tasks.phantom.patient import Patient
from tasks.phantom.scanner import Scanner, expose, sample_scanner

# Blood in the portal venous phase.
_ENHANCED_BLOOD_HU = 165.0
# Slices farther apart in the header than they were made: every body is taller than any human one.
_STRETCH = 2.0
_TILT_DEG = 12.0
_SCREWED_LEVELS = ("T7", "T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3")


def changed_patient(patient: Patient, twist: str) -> Patient:
    """The patient as the twist has it: with contrast medium in the blood, or with hardware in the spine."""
    if twist.startswith("enhanced"):
        return replace(patient, blood_hu=_ENHANCED_BLOOD_HU)
    if twist == "metal":
        spine = tuple(replace(v, hardware=v.level in _SCREWED_LEVELS) for v in patient.vertebrae)
        return replace(patient, vertebrae=spine)
    return patient


def write_study(job: StudyJob) -> None:
    """Write a study as its plan's twist has it; a plan without a twist is written plainly.

    Raises:
        KeyError: when there is no such twist.
    """
    TWISTS[job.plan.twist](job)


def _plain(job: StudyJob) -> None:
    job.write(job.series(), job.slices())


def _few(job: StudyJob) -> None:
    series = job.series()
    job.write(series, list(job.slices())[:6])


def _thick(job: StudyJob) -> None:
    thick = replace(job.scan.scanner, thickness_mm=8.0, spacing_mm=8.0)
    _restacked(job, 8.0 / job.scan.scanner.spacing_mm, thick)


def _stretched(job: StudyJob) -> None:
    spacing = job.scan.scanner.spacing_mm * _STRETCH
    _restacked(job, _STRETCH, replace(job.scan.scanner, thickness_mm=spacing, spacing_mm=spacing))


def _restacked(job: StudyJob, factor: float, scanner: Scanner) -> None:
    lowest = job.scan.z_mm[0]
    images = (
        (number, (x, y, job.shift_mm + (z - job.shift_mm - lowest) * factor), hu)
        for number, (x, y, z), hu in job.slices()
    )
    job.write(replace(job.series(), scanner=scanner), images)


def _uneven(job: StudyJob) -> None:
    images = (
        (number, (x, y, z + (1.1 if number % 3 == 0 else 0.0)), hu) for number, (x, y, z), hu in job.slices()
    )
    job.write(job.series(), images)


def _tilted(job: StudyJob) -> None:
    angle = np.deg2rad(_TILT_DEG)
    orientation = (1.0, 0.0, 0.0, 0.0, round(float(np.cos(angle)), 6), round(float(-np.sin(angle)), 6))
    job.write(replace(job.series(), orientation=orientation, gantry_tilt_deg=_TILT_DEG), job.slices())


def _oblong(job: StudyJob) -> None:
    pixel = job.scan.pixel_mm
    job.write(replace(job.series(), pixel_spacing_mm=(pixel, round(pixel * 1.2, 4))), job.slices())


def _upright(job: StudyJob) -> None:
    series = replace(job.series(), orientation=(1.0, 0.0, 0.0, 0.0, 0.0, -1.0), description="Thorax cor")
    images = ((number, (x, z - job.shift_mm, job.shift_mm), hu) for number, (x, _, z), hu in job.slices())
    job.write(series, images)


def _other_modality(job: StudyJob) -> None:
    series = replace(
        job.series(),
        modality="MR",
        sop_class=MRImageStorage,
        description="T1 TSE tra",
        image_type=("ORIGINAL", "PRIMARY", "M"),
    )
    job.write(series, job.slices())


def _head(job: StudyJob) -> None:
    job.write(replace(job.series(), body_part="HEAD", description="Head routine"), job.slices())


def _projected(job: StudyJob) -> None:
    series = replace(job.series(), image_type=("DERIVED", "SECONDARY", "MIP"), description="Chest MIP 8.0")
    job.write(series, job.slices())


def _enhanced_by_header(job: StudyJob) -> None:
    job.write(replace(job.series(), contrast_agent="OMNIPAQUE 350"), job.slices())


def _scouts(job: StudyJob) -> None:
    _write_scouts(job, make_uid(job.tags.study_uid, 1))


def _localizer_inside(job: StudyJob) -> None:
    _plain(job)
    _write_scouts(job, job.series().series_uid)


def _write_scouts(job: StudyJob, series_uid: str) -> None:
    """Two projections, frontal and lateral, into a series."""
    for number, orientation in (
        (901, (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)),
        (902, (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)),
    ):
        series = replace(
            job.series(),
            series_uid=series_uid,
            image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"),
            orientation=orientation,
            description="Topogram",
        )
        flat = np.full((job.scan.side, job.scan.side), -300, np.int16)
        job.write(series, [(number, (-200.0, -200.0, job.shift_mm + 200.0), flat)])


def _lung_twin(job: StudyJob) -> None:
    _plain(job)
    rng = np.random.default_rng([job.scan.patient.seed, 29])
    sharp = sample_scanner(rng, kvp=job.scan.scanner.kvp, kernel_kind="sharp", vendor=job.scan.scanner.vendor)
    own = job.scan.scanner
    sharp = replace(
        sharp,
        model=own.model,
        pixel_mm=own.pixel_mm,
        thickness_mm=own.thickness_mm,
        spacing_mm=own.spacing_mm,
    )
    twin = replace(job, scan=replace(job.scan, scanner=sharp))
    twin.write(replace(twin.series(3), description=f"Lung {sharp.kernel}"), twin.slices())


def _duplicates(job: StudyJob) -> None:
    """Some slices twice at one position, under another instance."""
    _plain(job)
    again = [
        (1000 + number, position, hu) for number, position, hu in job.slices(_all_but(job, (10, 40, 41)))
    ]
    job.write(job.series(), again)


def _with_report(job: StudyJob) -> None:
    _plain(job)
    path = job.namer.next()
    write_report(path, job.tags)
    job.paths.append(path)


def _missing(job: StudyJob) -> None:
    middle = len(job.scan.z_mm) // 2
    job.write(job.series(), job.slices(frozenset((middle, middle + 1, middle + 9))))


def _water(job: StudyJob) -> None:
    """A quality-control body on the table, no patient: water with two lungs of foam, and no spine."""
    rng = np.random.default_rng([job.scan.patient.seed, 31])
    job.write(
        replace(job.series(), description="Daily QA"),
        (
            (number, job.position(index), _foam_lungs(job, rng))
            for number, index in enumerate(job.numbered(), 1)
        ),
    )


def _foam_lungs(job: StudyJob, rng: np.random.Generator) -> HuImage:
    scan = job.scan
    canvas = Canvas.blank(scan.side, scan.pixel_mm, (0.0, 0.0), thickness_mm=scan.scanner.thickness_mm)
    canvas.ellipse(0.0, 0.0, (150.0, 110.0), 0.0)
    for side in (-1.0, 1.0):
        canvas.ellipse(side * 70.0, 0.0, (50.0, 75.0), -850.0)
    image = expose(canvas.hu, scan.scanner, rng, pixel_mm=scan.pixel_mm, noise_hu=scan.scanner.noise_hu)
    return np.clip(np.rint(image), -1024, 3071).astype(np.int16)


def _undecodable(job: StudyJob) -> None:
    """Code streams that are none, in every file."""
    job.write(job.series(), job.slices(), "jpeg_ls")
    for path in job.paths:
        garble_code_stream(path, job.scan.patient.seed)


def _truncated(job: StudyJob) -> None:
    """A transfer that broke off: two thirds of the files end before their pixels do."""
    _plain(job)
    for path in job.paths[len(job.paths) // 3 :]:
        cut_pixels(path)


def _unreadable(job: StudyJob) -> None:
    """One file that ends within its header."""
    _plain(job)
    cut_header(job.paths[len(job.paths) // 2])


def _all_but(job: StudyJob, kept: tuple[int, ...]) -> frozenset[int]:
    return frozenset(range(len(job.scan.z_mm))) - frozenset(kept)


TWISTS: dict[str, Callable[[StudyJob], None]] = {
    "": _plain,
    "enhanced_silently": _plain,
    "metal": _plain,
    "enhanced_by_header": _enhanced_by_header,
    "not_ct": _other_modality,
    "not_chest": _head,
    "localizer": _scouts,
    "derived": _projected,
    "not_axial": _upright,
    "too_few_slices": _few,
    "thick_slices": _thick,
    "uneven_spacing": _uneven,
    "gantry_tilt": _tilted,
    "anisotropic_pixels": _oblong,
    "stretched": _stretched,
    "water_phantom": _water,
    "localizer_inside": _localizer_inside,
    "lung_twin": _lung_twin,
    "duplicates": _duplicates,
    "report": _with_report,
    "missing_slices": _missing,
    "undecodable_pixels": _undecodable,
    "truncated_pixels": _truncated,
    "unreadable_file": _unreadable,
}
"""Every twist that a plan may name."""
