"""How a study can end: the closed list of outcomes and reasons, and the two exceptions that carry them.

Every reason word stands here once, with the sentence that a person reads. The words are a contract with
everyone who reads the lake: extend the list, never rename.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a study in a night; each study has exactly one."""

    SCORED = "scored"
    EXCLUDED = "excluded"
    FAILED = "failed"


class Reason(StrEnum):
    """Why a study was not scored. `sentence` is for people, `outcome` tells a refusal from a failure."""

    # excluded: the study was understood, and is not one that may be scored
    NOT_CT = "not_ct"
    NOT_CHEST = "not_chest"
    LOCALIZER = "localizer"
    DERIVED = "derived"
    NOT_AXIAL = "not_axial"
    TOO_FEW_SLICES = "too_few_slices"
    THICK_SLICES = "thick_slices"
    UNEVEN_SPACING = "uneven_spacing"
    GANTRY_TILT = "gantry_tilt"
    ANISOTROPIC_PIXELS = "anisotropic_pixels"
    CONTRAST_ENHANCED = "contrast_enhanced"
    TOO_YOUNG = "too_young"
    AGE_UNKNOWN = "age_unknown"
    SPINE_NOT_COVERED = "spine_not_covered"
    SPINE_NOT_FOUND = "spine_not_found"
    IMPLAUSIBLE_ANATOMY = "implausible_anatomy"
    METAL = "metal"
    KNOWN_OSTEOPOROSIS = "known_osteoporosis"
    # failed: something broke, and the study is owed another try once it is mended
    UNREADABLE_FILE = "unreadable_file"
    UNDECODABLE_PIXELS = "undecodable_pixels"
    TRUNCATED_PIXELS = "truncated_pixels"
    MISSING_SLICES = "missing_slices"
    WORKER_LOST = "worker_lost"
    INFERENCE_UNAVAILABLE = "inference_unavailable"
    ARCHIVE_UNAVAILABLE = "archive_unavailable"
    INTERNAL_ERROR = "internal_error"

    @property
    def sentence(self) -> str:
        """One sentence for a person who was not there."""
        return _SENTENCES[self]

    @property
    def outcome(self) -> Outcome:
        """`excluded` for a refusal, `failed` for a breakage."""
        return Outcome.FAILED if self in _FAILURES else Outcome.EXCLUDED

    @property
    def is_transient(self) -> bool:
        """Whether another try over the same bytes may end otherwise; the next night tries these again."""
        return self in _TRANSIENT


_FAILURES = frozenset(
    {
        Reason.UNREADABLE_FILE,
        Reason.UNDECODABLE_PIXELS,
        Reason.TRUNCATED_PIXELS,
        Reason.MISSING_SLICES,
        Reason.WORKER_LOST,
        Reason.INFERENCE_UNAVAILABLE,
        Reason.ARCHIVE_UNAVAILABLE,
        Reason.INTERNAL_ERROR,
    }
)
_TRANSIENT = frozenset(
    {
        Reason.WORKER_LOST,
        Reason.INFERENCE_UNAVAILABLE,
        Reason.ARCHIVE_UNAVAILABLE,
        Reason.INTERNAL_ERROR,
    }
)

_SENTENCES: dict[Reason, str] = {
    Reason.NOT_CT: "The study holds no CT images.",
    Reason.NOT_CHEST: "The images do not show a chest.",
    Reason.LOCALIZER: "The study holds only localizer (scout) images.",
    Reason.DERIVED: "The images were derived from others (projections, reformats), not reconstructed slices.",
    Reason.NOT_AXIAL: "The slices are not axial.",
    Reason.TOO_FEW_SLICES: "There are too few slices to show a vertebra whole.",
    Reason.THICK_SLICES: "The slices are too thick to measure trabecular bone.",
    Reason.UNEVEN_SPACING: "The slices are not evenly spaced, so lengths along the body cannot be trusted.",
    Reason.GANTRY_TILT: "The gantry was tilted, so slices are sheared against the body axis.",
    Reason.ANISOTROPIC_PIXELS: "The pixels are not square, or the header contradicts itself on their size.",
    Reason.CONTRAST_ENHANCED: "Intravenous contrast is present, which raises bone attenuation.",
    Reason.TOO_YOUNG: "The patient is younger than the ages for which the method was studied.",
    Reason.AGE_UNKNOWN: "The patient's age is not known, so eligibility cannot be judged.",
    Reason.SPINE_NOT_COVERED: "The scan does not cover the lower thoracic or upper lumbar spine.",
    Reason.SPINE_NOT_FOUND: "No spine could be found in the images.",
    Reason.IMPLAUSIBLE_ANATOMY: "What was found does not look like a human spine, so nothing was measured.",
    Reason.METAL: "Metal in or beside the vertebrae spoils the measurement.",
    Reason.KNOWN_OSTEOPOROSIS: "Osteoporosis is already known in this patient.",
    Reason.UNREADABLE_FILE: "A file of the series could not be read as DICOM.",
    Reason.UNDECODABLE_PIXELS: "No decoder could read the compressed pixels.",
    Reason.TRUNCATED_PIXELS: "Pixel data ends before the image does.",
    Reason.MISSING_SLICES: "Slices are missing from within the series.",
    Reason.WORKER_LOST: "The process that worked on the study died each time it was tried.",
    Reason.INFERENCE_UNAVAILABLE: "The inference server gave no answer in time.",
    Reason.ARCHIVE_UNAVAILABLE: "The archive did not deliver the images.",
    Reason.INTERNAL_ERROR: "A bug in osteoscreen stopped the study; please report the detail.",
}


class OsteoscreenError(Exception):
    """The root of every error that osteoscreen raises on purpose; its text says what to do."""


class ConfigurationError(OsteoscreenError):
    """A setting or an argument cannot be used as it is."""


class ArchiveError(OsteoscreenError):
    """The archive gave no usable answer, however often it was asked; says what to look at."""


class StudyEnded(OsteoscreenError):  # noqa: N818 - it ends a study, it is not an error of the program
    """A study ends here without a score, for a reason of the closed list.

    Args:
        reason: why.
        detail: measured values that led to it, for an engineer; never a name, identifier, date or path.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)


class Excluded(StudyEnded):
    """The study is understood and may not be scored.

    Raises:
        ValueError: when `reason` is a failure, not a refusal.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        if reason.outcome is not Outcome.EXCLUDED:
            raise ValueError(f"{reason} is a failure: raise Failed")
        super().__init__(reason, detail)


class Failed(StudyEnded):
    """Something broke while the study was worked on.

    Raises:
        ValueError: when `reason` is a refusal, not a failure.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        if reason.outcome is not Outcome.FAILED:
            raise ValueError(f"{reason} is a refusal: raise Excluded")
        super().__init__(reason, detail)


class Warn(StrEnum):
    """A doubt that does not stop a score but travels with it, into every place the score is shown."""

    AGE_UNKNOWN = "age_unknown"
    SHARP_KERNEL = "sharp_kernel"
    LEVEL_UNCERTAIN = "level_uncertain"
    UPPER_LEVELS_ONLY = "upper_levels_only"
    FEW_VERTEBRAE = "few_vertebrae"
    KVP_EXTRAPOLATED = "kvp_extrapolated"
    KVP_UNKNOWN = "kvp_unknown"
    TIERS_DISAGREE = "tiers_disagree"
    VERTEBRAE_DISAGREE = "vertebrae_disagree"
    HEIGHT_UNKNOWN = "height_unknown"
    AORTA_NOT_FOUND = "aorta_not_found"
    MUSCLE_NOT_MEASURED = "muscle_not_measured"
    POSSIBLE_FRACTURE = "possible_fracture"
    METAL_NEARBY = "metal_nearby"
    NOISY = "noisy"
    PHANTOM_REFERENCE = "phantom_reference"

    @property
    def sentence(self) -> str:
        """One sentence for the reviewer."""
        return _WARNINGS[self]


def own_doubts(warnings: Iterable[str]) -> tuple[Warn, ...]:
    """The doubts of one study, without those that every score of its model carries.

    Whoever leaves the latter out says them once for all that is shown: above a list, below a picture.
    """
    return tuple(Warn(word) for word in warnings if word != Warn.PHANTOM_REFERENCE)


_WARNINGS: dict[Warn, str] = {
    Warn.AGE_UNKNOWN: "The patient's age is not known.",
    Warn.SHARP_KERNEL: "Only a sharp reconstruction kernel was available; attenuation is less certain.",
    Warn.LEVEL_UNCERTAIN: "The names of the vertebral levels are uncertain.",
    Warn.UPPER_LEVELS_ONLY: "Only levels above T8 were covered.",
    Warn.FEW_VERTEBRAE: "Fewer than three vertebrae could be measured.",
    Warn.KVP_EXTRAPOLATED: "Attenuation at this tube voltage is converted to 120 kVp by extrapolation.",
    Warn.KVP_UNKNOWN: "The tube voltage is not known; attenuation is not converted to 120 kVp.",
    Warn.TIERS_DISAGREE: "The model and the attenuation put this study into different tiers.",
    Warn.VERTEBRAE_DISAGREE: "The vertebrae differ from each other more than is usual.",
    Warn.HEIGHT_UNKNOWN: "Body height is not recorded, so there is a muscle area but no index.",
    Warn.AORTA_NOT_FOUND: "The aorta was not found, so contrast was judged from header, heart and kidneys.",
    Warn.MUSCLE_NOT_MEASURED: "Muscle could not be measured.",
    Warn.POSSIBLE_FRACTURE: "A vertebral body is flatter or denser than its neighbours, and was left out.",
    Warn.METAL_NEARBY: "Metal lies in the images; vertebrae close to it were left out.",
    Warn.NOISY: "The images are very noisy.",
    Warn.PHANTOM_REFERENCE: (
        "The score comes from reference weights trained on generated images: not for clinical use."
    ),
}
