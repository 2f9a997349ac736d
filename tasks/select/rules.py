"""The rules by which a series may be measured and a patient may be screened, as data.

Rules are asked in order and the first that refuses gives the reason. The order decides what outranks what:
first whether the images are slices of a body at all, then their geometry, then what they show, and last what
is broken, so that a study nobody would have scored is never reported as a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tasks.outcomes import Reason
from tasks.select import checks
from tasks.select.candidates import Candidate
from tasks.settings import Settings

Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True)
class Rule(Generic[Facts]):
    """One row of the table.

    Attributes:
        reason: the name of the rule, and what it reports; `reason.sentence` is for people.
        needs: the header attributes that it asks.
        limit: the setting that holds its limit, and so its default; empty when it has none.
        source: where the rule comes from.
        refuses: the detail when it refuses, None when it does not; facts that are absent refuse nothing,
            unless absence is what the rule is about.
    """

    reason: Reason
    needs: str
    limit: str
    source: str
    refuses: Callable[[Facts, Settings], str | None]


@dataclass(frozen=True, slots=True)
class Patient:
    """What the rules ask about the person."""

    age_years: float | None
    known_osteoporosis: bool


def _too_young(patient: Patient, settings: Settings) -> str | None:
    age, least = patient.age_years, settings.eligibility.min_age_years
    return f"{age:.0f} years, at least {least} needed" if age is not None and age < least else None


def _age_unknown(patient: Patient, settings: Settings) -> str | None:
    if patient.age_years is not None or settings.eligibility.unknown_age == "warn":
        return None
    return "the header has neither a usable age nor a usable birth date"


def _known_osteoporosis(patient: Patient, _: Settings) -> str | None:
    return "on the list of known patients" if patient.known_osteoporosis else None


SERIES_RULES: tuple[Rule[Candidate], ...] = (
    Rule(Reason.NOT_CT, "Modality, SOPClassUID", "", "HU are defined for CT alone", checks.not_ct),
    Rule(
        Reason.LOCALIZER,
        "ImageType, SeriesDescription, ImageOrientationPatient",
        "",
        "a projection has no voxels; some scanners call it ORIGINAL, PRIMARY, AXIAL",
        checks.localizer,
    ),
    Rule(
        Reason.DERIVED,
        "ImageType, SeriesDescription, SOPClassUID, PhotometricInterpretation, RescaleType",
        "",
        "PS3.3 C.8.2.1.1.1, C.11.1.1.2; projections and material maps are not attenuation",
        checks.derived,
    ),
    Rule(
        Reason.NOT_AXIAL,
        "ImageOrientationPatient",
        "selection.max_axial_tilt_deg",
        "the region of interest is drawn in the transverse plane",
        checks.not_axial,
    ),
    Rule(
        Reason.GANTRY_TILT,
        "ImagePositionPatient, ImageOrientationPatient, GantryDetectorTilt",
        "selection.max_axial_tilt_deg",
        "sheared slices misplace endplates against the body axis",
        checks.gantry_tilt,
    ),
    Rule(
        Reason.ANISOTROPIC_PIXELS,
        "PixelSpacing, ReconstructionDiameter",
        "selection.max_pixel_anisotropy",
        "areas and discs assume square pixels of known size",
        checks.anisotropic_pixels,
    ),
    Rule(
        Reason.UNEVEN_SPACING,
        "ImagePositionPatient, SliceLocation",
        "selection.max_spacing_deviation",
        "lengths along the body are counted in slices",
        checks.uneven_spacing,
    ),
    Rule(
        Reason.TOO_FEW_SLICES,
        "ImagePositionPatient",
        "selection.min_slices",
        "a vertebral body is 20 to 30 mm high and must be covered from endplate to endplate",
        checks.too_few_slices,
    ),
    Rule(
        Reason.THICK_SLICES,
        "SliceThickness, ImagePositionPatient",
        "selection.max_slice_thickness_mm",
        "the slab about the middle of a vertebra is 5 mm; thicker slices reach the endplates",
        checks.thick_slices,
    ),
    Rule(
        Reason.NOT_CHEST,
        "SeriesDescription, BodyPartExamined, StudyDescription",
        "",
        "studied on chest CT (10.1186/s13244-024-01817-2)",
        checks.not_chest,
    ),
    Rule(
        Reason.CONTRAST_ENHANCED,
        "ContrastBolusAgent, SeriesDescription, StudyDescription",
        "",
        "intravenous contrast adds 11.2 ± 19.2 HU (10.1007/s00198-015-3224-9)",
        checks.contrast_enhanced,
    ),
    Rule(
        Reason.UNREADABLE_FILE,
        "every header",
        "",
        "its slice may be one that matters",
        checks.unreadable_file,
    ),
    Rule(
        Reason.MISSING_SLICES,
        "ImagePositionPatient",
        "selection.max_spacing_deviation",
        "a gap of twice or more the usual one is a slice that did not arrive",
        checks.missing_slices,
    ),
)

PATIENT_RULES: tuple[Rule[Patient], ...] = (
    Rule(
        Reason.TOO_YOUNG,
        "PatientAge, PatientBirthDate, StudyDate",
        "eligibility.min_age_years",
        "studied in middle-aged and older adults (10.1186/s13244-024-01817-2)",
        _too_young,
    ),
    Rule(
        Reason.AGE_UNKNOWN,
        "PatientAge, PatientBirthDate, StudyDate",
        "eligibility.unknown_age",
        "without an age eligibility cannot be judged",
        _age_unknown,
    ),
    Rule(
        Reason.KNOWN_OSTEOPOROSIS,
        "PatientID, IssuerOfPatientID",
        "eligibility.known_osteoporosis",
        "screening is for those who are not yet known",
        _known_osteoporosis,
    ),
)


def first_refusal(
    rules: tuple[Rule[Facts], ...], facts: Facts, settings: Settings
) -> tuple[int, Reason, str] | None:
    """(rank of the rule, reason, detail) of the first rule that refuses; None when all let pass."""
    for rank, rule in enumerate(rules):
        detail = rule.refuses(facts, settings)
        if detail is not None:
            return rank, rule.reason, detail
    return None
