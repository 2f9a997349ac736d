"""The mix of a generated archive: who is in it, what is wrong with which study, and how each is to end.

Case by case as data. A prefix of the list is a small archive with some of everything; a longer archive goes
round the list again with other patients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count, islice

from tasks.outcomes import Outcome, Reason
from tasks.phantom.scanner import Kernel


@dataclass(frozen=True, slots=True)
class Plan:
    """One study to be generated.

    Attributes:
        reason: how it is to end; None when it is to be scored.
        twist: what is done to it that is not in the other fields; see `archive` for the words.
        density_hu: trabecular HU at L1, 120 kVp.
        age_years: 0 leaves age and birth date out of the header.
        top, bottom: levels between which it is scanned.
        spacing_mm, side: slice spacing (and thickness), rows and columns.
        syntax: name in `encoding.SYNTAXES`.
        position: PatientPosition.
        circle: pixels outside the field of view are padding.
    """

    reason: Reason | None = None
    twist: str = ""
    density_hu: float = 140.0
    age_years: int = 68
    top: str = "T4"
    bottom: str = "L2"
    spacing_mm: float = 3.0
    side: int = 320
    syntax: str = "explicit"
    vendor: str | None = None
    kernel: Kernel = "standard"
    kvp: int = 120
    position: str = "HFS"
    circle: bool = False

    @property
    def outcome(self) -> Outcome:
        """Scored, excluded or failed."""
        return Outcome.SCORED if self.reason is None else self.reason.outcome


@dataclass(frozen=True, slots=True)
class Case:
    """One patient: the studies of that patient."""

    studies: tuple[Plan, ...]


_SHORT = Plan(top="T8", bottom="L1", spacing_mm=5.0, side=128)


def _refused(reason: Reason, twist: str = "") -> Plan:
    """A study whose headers alone decide: a few small slices will do."""
    return replace(_SHORT, reason=reason, twist=twist or reason.value)


# In an order in which every prefix holds scored and unscored studies.
CASES: tuple[Case, ...] = (
    Case((Plan(density_hu=62, age_years=81, vendor="SIEMENS", syntax="jpeg_ls"),)),
    Case(
        (
            Plan(
                density_hu=205, age_years=57, vendor="GE MEDICAL SYSTEMS", syntax="jpeg_lossless", circle=True
            ),
        )
    ),
    Case((Plan(Reason.CONTRAST_ENHANCED, "enhanced_silently", 130, 66, "T5", "L1", vendor="SIEMENS"),)),
    Case((Plan(Reason.MISSING_SLICES, "missing_slices", 120, 72, "T6", "L1", side=256),)),
    Case(
        (
            Plan(density_hu=118, age_years=71, vendor="Philips", syntax="jpeg_2000", position="FFS"),
            _refused(Reason.NOT_CHEST),
        )
    ),
    Case((Plan(density_hu=150, age_years=63, twist="lung_twin", syntax="htj2k", top="T5"),)),
    Case((Plan(Reason.METAL, "metal", 110, 75, "T6", "L2", side=256),)),
    Case((Plan(density_hu=88, age_years=77, twist="localizer_inside", vendor="TOSHIBA", syntax="implicit"),)),
    Case((replace(_SHORT, reason=Reason.TOO_YOUNG, age_years=34, density_hu=230),)),
    Case(
        (
            Plan(density_hu=135, age_years=69, kvp=100, vendor="SIEMENS", syntax="explicit"),
            Plan(density_hu=128, age_years=70, kvp=120, vendor="SIEMENS", syntax="jpeg_lossless"),
        )
    ),
    Case((Plan(Reason.UNDECODABLE_PIXELS, "undecodable_pixels", 120, 64, "T6", "L1", side=256),)),
    Case((Plan(density_hu=255, age_years=52, syntax="deflated"), _refused(Reason.LOCALIZER))),
    Case((Plan(Reason.KNOWN_OSTEOPOROSIS, "", 55, 79, "T8", "L1", 5.0, 192),)),
    Case((Plan(density_hu=40, age_years=86, vendor="GE MEDICAL SYSTEMS", kvp=140, syntax="rle"),)),
    Case((Plan(Reason.SPINE_NOT_COVERED, "", 120, 67, "C7", "T3", 2.5, 256),)),
    Case(
        (
            Plan(density_hu=170, age_years=60, kernel="soft", syntax="jpeg_ls", twist="report"),
            _refused(Reason.NOT_CT),
        )
    ),
    Case((replace(_SHORT, reason=Reason.AGE_UNKNOWN, age_years=0),)),
    Case((Plan(density_hu=98, age_years=74, vendor="Philips", position="FFS", syntax="big_endian"),)),
    Case((Plan(Reason.SPINE_NOT_FOUND, "water_phantom", 120, 60, "T6", "L1", 5.0, 192),)),
    Case((Plan(density_hu=270, age_years=51, twist="duplicates", syntax="jpeg_lossless"),)),
    Case((Plan(Reason.TRUNCATED_PIXELS, "truncated_pixels", 120, 73, "T6", "L1", side=256),)),
    Case(
        (
            Plan(density_hu=75, age_years=80, kvp=100, vendor="TOSHIBA", syntax="jpeg_2000"),
            _refused(Reason.DERIVED),
        )
    ),
    Case((_refused(Reason.GANTRY_TILT),)),
    Case((Plan(density_hu=145, age_years=65, vendor="GE MEDICAL SYSTEMS", syntax="htj2k"),)),
    Case((Plan(Reason.IMPLAUSIBLE_ANATOMY, "stretched", 120, 70, "T4", "L2", 2.5, 256),)),
    Case((Plan(density_hu=110, age_years=78, kernel="sharp", vendor="SIEMENS", syntax="explicit"),)),
    Case((_refused(Reason.CONTRAST_ENHANCED, "enhanced_by_header"),)),
    Case((Plan(density_hu=190, age_years=58, syntax="implicit"), _refused(Reason.NOT_AXIAL))),
    Case((Plan(Reason.UNREADABLE_FILE, "unreadable_file", 120, 69, "T6", "L1", 5.0, 192),)),
    Case((Plan(density_hu=50, age_years=84, vendor="Philips", kernel="soft", syntax="jpeg_lossless"),)),
    Case((_refused(Reason.UNEVEN_SPACING),)),
    Case((Plan(density_hu=160, age_years=61, syntax="jpeg_ls", kvp=80), _refused(Reason.TOO_FEW_SLICES))),
    Case((_refused(Reason.ANISOTROPIC_PIXELS),)),
    Case((Plan(density_hu=125, age_years=66, vendor="GE MEDICAL SYSTEMS", syntax="jpeg_lossless"),)),
    Case(
        (Plan(density_hu=20, age_years=90, syntax="explicit", kernel="soft"), _refused(Reason.THICK_SLICES))
    ),
    Case((Plan(density_hu=225, age_years=55, vendor="TOSHIBA", position="FFS", syntax="jpeg_2000"),)),
    Case((Plan(density_hu=105, age_years=72, syntax="htj2k", top="T7"),)),
    Case((Plan(density_hu=140, age_years=68, vendor="Philips", syntax="deflated"),)),
    Case((Plan(density_hu=82, age_years=76, vendor="SIEMENS", syntax="jpeg_ls", side=512, top="T5"),)),
    Case((Plan(density_hu=178, age_years=59, syntax="explicit"),)),
)


def mix(patients: int) -> Iterator[Case]:
    """The cases of an archive of so many patients."""
    return islice((CASES[index % len(CASES)] for index in count()), patients)
