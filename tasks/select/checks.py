"""What each series rule asks of a candidate: a detail for an engineer when it refuses, None when it does not.

A detail holds measured values and words of our own, never text from a header. Facts that are absent refuse
nothing, unless absence is what the rule is about: a file that could not be read passes all rules but its own.
"""

from __future__ import annotations

import math
import re

from tasks.select.candidates import Candidate, irregular_gaps, is_hounsfield, is_localizer
from tasks.select.words import Contrast, Region
from tasks.settings import Settings

CT_STORAGE = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.2",  # CT Image Storage
        "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT
        "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT
    }
)
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
#: Modalities and photometric interpretations of PS3.3 that may be met beside CT.
SHOWN_TERMS = frozenset(
    {"CR", "CT", "DX", "MG", "MR", "NM", "OT", "PR", "PT", "RF", "RTDOSE", "RTIMAGE", "SC", "SEG", "SR", "US"}
    | {"XA", "RGB", "YBR_FULL", "YBR_FULL_422", "PALETTE COLOR", "MONOCHROME1", "MONOCHROME2"}
)
#: Defined terms of RescaleType, PS3.3 C.11.1.1.2, other than Hounsfield's.
RESCALE_TYPES = frozenset({"OD", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"})
GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
# Words of ImageType and SeriesDescription for pixels that are no reconstructed attenuation.
_DERIVED_WORDS = (
    r"M(?:AX|IN)?_?IP|MPR|REFORMAT\w*|VRT|SSD|CPR|CURVED|VOLREN|FUSED|FUSION|IODINE|[VT]NC|VIRTUAL|MONO|MONOE"
    r"|MONOENERGETIC|KEV|SUBTRACT\w*|PERFUSION"
)
# Words that mean this in ImageType, but may mean another thing in a description typed by a person.
_DERIVED_TYPES = (
    r"PROJECTION|MEAN|AVERAGE|3D|VR|RENDERING|SCREEN ?SAVE|RESAMPLED|COLOR|CAD|PARAMETRIC|QUANTITY|DENSITY"
    r"|OVERLAY|REPORT|DOSE"
)
_DERIVED_IN_DESCRIPTION = re.compile(rf"(?<![A-Z0-9])(?:{_DERIVED_WORDS})(?![A-Z0-9])")
_DERIVED_IN_TYPE = re.compile(rf"(?<![A-Z0-9])(?:{_DERIVED_WORDS}|{_DERIVED_TYPES})(?![A-Z0-9])")
_LOCALIZER = re.compile(r"\b(?:LOCALI[SZ]ERS?|SCOUTS?|TOPO(?:GRAM)?|SURVIEW|SCANO(?:GRAM)?|PILOT)\b")
# An upright plane that has at most this many companions is a scout, whatever ImageType says.
MOST_LOCALIZERS = 3
# Slices that lean further than this are not transverse ones of a tilted gantry (which tilts to 30°).
NOT_TRANSVERSE_DEG = 45.0
# What a header says twice in other words (the size of the image, the length of the stack) agrees to within
# this part, or this many mm: on real series to 0.3 %. One of the two is wrong where they differ by more.
MAX_CONTRADICTION, MAX_CONTRADICTION_MM = 0.05, 1.0
# In-plane positions off one straight line by more than this are two reconstructions in one series.
MAX_DRIFT_MM = 1.0
# A gap this close to a multiple of the usual one (as a part of the usual one) is slices lost.
MULTIPLE_TOLERANCE = 0.15


def _types(candidate: Candidate) -> str:
    return " ".join(candidate.first.image_type).upper() if candidate.first else ""


def _description(candidate: Candidate) -> str:
    return candidate.first.series_description.upper() if candidate.first else ""


def not_ct(candidate: Candidate, _: Settings) -> str | None:
    """Another modality, or objects that are no CT images."""
    first = candidate.first
    if first is None or (first.problem and not first.modality):
        return None
    if first.modality != "CT":
        return f"modality {_code(first.modality)}"
    sop_class = first.sop_class_uid
    if sop_class and sop_class not in CT_STORAGE and not sop_class.startswith(SECONDARY_CAPTURE):
        return "modality CT, but objects of another kind"
    return None


def localizer(candidate: Candidate, _: Settings) -> str | None:
    """A projection: marked so, described so, or a few upright planes."""
    if any(is_localizer(instance) for instance in candidate.instances):
        return f"{len(candidate.instances)} images marked as projections"
    if len(candidate.instances) > MOST_LOCALIZERS:
        return None
    if candidate.stack.tilt_deg > NOT_TRANSVERSE_DEG or _LOCALIZER.search(_description(candidate)):
        return f"{len(candidate.instances)} images, upright or described as scouts"
    return None


def derived(candidate: Candidate, _: Settings) -> str | None:
    """Made from other images: captures, projections, reformats, material maps."""
    first = candidate.first
    if first is None or first.problem:
        return None
    if first.sop_class_uid.startswith(SECONDARY_CAPTURE):
        return "secondary capture"
    if first.samples_per_pixel != 1 or first.photometric.strip() not in GREY:
        return f"{first.samples_per_pixel} samples a pixel, {_code(first.photometric)}"
    if not all(map(is_hounsfield, candidate.instances)):
        return f"values in {_code(first.rescale_type, RESCALE_TYPES)}, not in Hounsfield units"
    if found := _DERIVED_IN_TYPE.search(_types(candidate)) or _DERIVED_IN_DESCRIPTION.search(
        _description(candidate)
    ):
        return f"marked {found[0][:12]}"
    if candidate.is_derived and "SECONDARY" in _types(candidate):
        return "marked DERIVED, SECONDARY"
    return None


def not_axial(candidate: Candidate, settings: Settings) -> str | None:
    """Upright or oblique planes, or planes that say nothing of where they lie."""
    stack, limit = candidate.stack, settings.selection.max_axial_tilt_deg
    if not candidate.instances or candidate.instances[0].problem:
        return None
    if stack.orientation is None:
        return "no image says where it lies"
    if stack.tilt_deg > NOT_TRANSVERSE_DEG or (stack.tilt_deg > limit and stack.shear_deg <= limit):
        return f"slices lean by {stack.tilt_deg:.1f}°, limit {limit:g}°"
    if abs(stack.orientation[0]) < math.cos(math.radians(limit)) * math.hypot(*stack.orientation[:2]):
        return "rows do not run from side to side: the patient did not lie on back or belly"
    return None


def gantry_tilt(candidate: Candidate, settings: Settings) -> str | None:
    """Slices sheared against the travel of the table, or a tilt stated in the header."""
    limit = settings.selection.max_axial_tilt_deg
    stated = max((abs(i.gantry_tilt_deg or 0.0) for i in candidate.instances), default=0.0)
    tilt_deg = max(candidate.stack.shear_deg, stated)
    return f"tilted by {tilt_deg:.1f}°, limit {limit:g}°" if tilt_deg > limit else None


def anisotropic_pixels(candidate: Candidate, settings: Settings) -> str | None:
    """Pixels that are not square, or of unknown or contradictory size."""
    first = candidate.first
    if first is None or first.problem:
        return None
    edges = first.pixel_spacing_mm
    if edges is None or min(edges) <= 0:
        return "pixel spacing absent"
    difference = max(edges) / min(edges) - 1
    if difference > settings.selection.max_pixel_anisotropy:
        return f"pixels of {edges[0]:g} × {edges[1]:g} mm"
    edge_mm = max(first.rows * edges[0], first.columns * edges[1])
    for stated_mm in {i.reconstruction_diameter_mm for i in candidate.instances}:
        if stated_mm and _contradict(edge_mm, stated_mm):
            return (
                f"pixels of {edges[0]:g} mm make {edge_mm:.0f} mm, but {stated_mm:.0f} mm were reconstructed"
            )
    return None


def uneven_spacing(candidate: Candidate, settings: Settings) -> str | None:
    """Gaps that differ other than by lost slices, slices displaced sideways, positions of another scale."""
    stack = candidate.stack
    if stack.drift_mm > MAX_DRIFT_MM:
        return f"slices are displaced sideways by up to {stack.drift_mm:.1f} mm"
    along_mm = _stated_length_mm(candidate)
    if along_mm and _contradict(stack.coverage_mm, along_mm):
        return f"positions reach over {stack.coverage_mm:.0f} mm, SliceLocation over {along_mm:.0f} mm"
    irregular = irregular_gaps(candidate.stack, settings.selection.max_spacing_deviation)
    if all(_slices_lost(gap, stack.spacing_mm) for gap in irregular):
        return None
    return (
        f"{len(irregular)} of {len(stack.gaps_mm)} gaps differ from the median {stack.spacing_mm:.3f} mm, "
        f"from {min(irregular):.3f} to {max(irregular):.3f} mm"
    )


def too_few_slices(candidate: Candidate, settings: Settings) -> str | None:
    """Fewer slices than can show a vertebra whole."""
    slices, least = len(candidate.stack.planes), settings.selection.min_slices
    if not candidate.instances or candidate.instances[0].problem or slices >= least:
        return None
    return f"{slices} slices, at least {least} needed"


def thick_slices(candidate: Candidate, settings: Settings) -> str | None:
    """Slices too thick, or too far apart."""
    limit = settings.selection.max_slice_thickness_mm
    if candidate.thickness_mm <= limit * (1 + settings.selection.max_spacing_deviation):
        return None
    return f"thickness or spacing {candidate.thickness_mm:.2f} mm, limit {limit:g} mm"


def not_chest(candidate: Candidate, _: Settings) -> str | None:
    """The header names another region of the body and not the chest."""
    return "the header names another region" if candidate.region is Region.OTHER else None


def contrast_enhanced(candidate: Candidate, _: Settings) -> str | None:
    """The header names an intravenous agent or an enhanced phase."""
    return "the header says so" if candidate.contrast is Contrast.ENHANCED else None


def unreadable_file(candidate: Candidate, _: Settings) -> str | None:
    """A file of the series, or of the study and an unknown series, could not be read."""
    return f"{candidate.unreadable} files" if candidate.unreadable else None


def missing_slices(candidate: Candidate, settings: Settings) -> str | None:
    """Gaps that are multiples of the usual one."""
    spacing = candidate.stack.spacing_mm
    irregular = irregular_gaps(candidate.stack, settings.selection.max_spacing_deviation)
    lost = sum(_slices_lost(gap, spacing) for gap in irregular)
    return (
        f"{lost} of {lost + len(candidate.stack.planes)} slices, spacing {spacing:.3f} mm" if lost else None
    )


def _stated_length_mm(candidate: Candidate) -> float:
    """How far the stack reaches by SliceLocation; 0 when that is not said of every slice."""
    stated = [plane.instance.slice_location_mm for plane in candidate.stack.planes]
    told = [place for place in stated if place is not None]
    return max(told) - min(told) if told and len(told) == len(stated) else 0.0


def _contradict(one_mm: float, other_mm: float) -> bool:
    return abs(one_mm - other_mm) > max(MAX_CONTRADICTION * other_mm, MAX_CONTRADICTION_MM)


def _slices_lost(gap_mm: float, spacing_mm: float) -> int:
    """How many slices a gap swallowed: 0 when it is no multiple of the usual gap."""
    if spacing_mm <= 0:
        return 0
    multiple = round(gap_mm / spacing_mm)
    return multiple - 1 if multiple > 1 and abs(gap_mm / spacing_mm - multiple) < MULTIPLE_TOLERANCE else 0


def _code(value: str, terms: frozenset[str] = SHOWN_TERMS) -> str:
    """A term of the standard; anything else a header says may be a name, and is not shown."""
    return value.strip() if value.strip() in terms else "of no defined term"
