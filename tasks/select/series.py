"""The choice of one series of a study: every candidate judged by the rules, the best of those that pass.

Preference, the first difference deciding: unenhanced by its words where the study holds enhanced series too;
covers enough of the body; soft kernel, then unknown, then sharp; names the chest; original pixels; thinnest;
longest; lowest series number and UID. Images marked DERIVED, PRIMARY, AXIAL without a word for projection or
reformat pass, after original ones of the same kernel, for some scanners and lossy archives mark ordinary
slices so; DERIVED, SECONDARY is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.dicom.instance import Study
from tasks.dicom.stack import Stack
from tasks.outcomes import Excluded, Failed, Outcome, Reason, StudyEnded, Warn
from tasks.select.age import age_years
from tasks.select.candidates import Candidate, candidates_of
from tasks.select.eligibility import KnownPatients, is_known
from tasks.select.kernels import Kernel
from tasks.select.rules import PATIENT_RULES, SERIES_RULES, Patient, first_refusal
from tasks.select.words import Contrast, Region
from tasks.settings import Settings


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules said of one candidate; `reason` is None when it may be measured.

    Attributes:
        spacing_mm: distance of its slices; 0 with fewer than two.
        rank: how many rules it passed.
    """

    series_uid: str
    spacing_mm: float
    rank: int
    reason: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Selected:
    """A series that may be measured.

    Attributes:
        stack: its planes in order, localizers and duplicates taken out.
        kernel: ConvolutionKernel as the header has it.
        age_years: None when unknown and let in by the settings.
        judgements: every candidate of the study, the chosen one first, then by preference.
    """

    study_uid: str
    series_uid: str
    stack: Stack
    kernel: str
    age_years: float | None
    warnings: tuple[Warn, ...]
    judgements: tuple[Judgement, ...]


def select_series(study: Study, settings: Settings, known_osteoporosis: KnownPatients = ()) -> Selected:
    """The series of a study to measure.

    Raises:
        Excluded, Failed: with the reason of the candidate that passed most rules, or of the patient.
    """
    return eligible_series(study, settings, known_osteoporosis)[0]


def eligible_series(
    study: Study, settings: Settings, known_osteoporosis: KnownPatients = ()
) -> tuple[Selected, ...]:
    """Every series that may be measured, best first; never empty.

    The second is for when the first turns out, in the image, to be enhanced.

    Raises:
        Excluded, Failed: as `select_series`.
    """
    judged = _judged(study, settings)
    passed = [candidate for candidate, judgement in judged if judgement.reason is None]
    refusal = None if passed else _furthest(judged)
    if refusal is not None and refusal.reason.outcome is Outcome.EXCLUDED:
        raise refusal
    patient = _patient(study, known_osteoporosis)
    refused = first_refusal(PATIENT_RULES, patient, settings)
    if refused and any(candidate.stack.planes for candidate, _ in judged):
        raise Excluded(*refused[1:])
    if refusal is not None:
        raise refusal
    return tuple(_selected(study, candidate, patient, judged) for candidate in passed)


def judge_study(study: Study, settings: Settings) -> tuple[Judgement, ...]:
    """What the rules say of every candidate, in order of preference; does not look at the patient."""
    return tuple(judgement for _, judgement in _judged(study, settings))


def _judged(study: Study, settings: Settings) -> list[tuple[Candidate, Judgement]]:
    """Candidates with their judgements: those that passed first, then those that got furthest."""
    candidates = candidates_of(study, settings.selection.max_spacing_deviation)
    mixed = any(candidate.contrast is Contrast.ENHANCED for candidate in candidates)
    judged = [(candidate, _judge(candidate, settings)) for candidate in candidates]
    judged.sort(key=lambda pair: (-pair[1].rank, *_preference(pair[0], mixed, settings)))
    return judged


def _judge(candidate: Candidate, settings: Settings) -> Judgement:
    rank, reason, detail = first_refusal(SERIES_RULES, candidate, settings) or (len(SERIES_RULES), None, "")
    return Judgement(
        series_uid=candidate.series_uid,
        spacing_mm=candidate.stack.spacing_mm,
        rank=rank,
        reason=reason,
        detail=detail,
    )


def _preference(candidate: Candidate, mixed: bool, settings: Settings) -> tuple[object, ...]:
    number = candidate.first.series_number if candidate.first else None
    return (
        mixed and candidate.contrast is not Contrast.UNENHANCED,
        candidate.stack.coverage_mm < settings.selection.min_coverage_mm,
        candidate.kernel,
        candidate.region is not Region.CHEST,
        candidate.is_derived,
        round(candidate.thickness_mm, 1),
        -round(candidate.stack.coverage_mm),
        number is None,
        number or 0,
        candidate.series_uid,
        candidate.part,
    )


def _furthest(judged: list[tuple[Candidate, Judgement]]) -> StudyEnded:
    """The refusal of a study none of whose candidates passed."""
    if not judged:
        return Excluded(Reason.NOT_CT, "no images")
    _, best = judged[0]
    reason = best.reason or Reason.NOT_CT
    end = Failed if reason.outcome is Outcome.FAILED else Excluded
    return end(reason, best.detail)


def _patient(study: Study, known_osteoporosis: KnownPatients) -> Patient:
    """The person of a study: the first usable age among its images; one known identity is enough."""
    images = [series.instances[0] for series in study.series if series.instances]
    ages = (age_years(i.age_text, i.identity.birth_date, i.study_date) for i in images)
    return Patient(
        age_years=next((age for age in ages if age is not None), None),
        known_osteoporosis=any(is_known(image.identity, known_osteoporosis) for image in images),
    )


def _selected(
    study: Study, candidate: Candidate, patient: Patient, judged: list[tuple[Candidate, Judgement]]
) -> Selected:
    own = [judgement for other, judgement in judged if other is candidate]
    others = [judgement for other, judgement in judged if other is not candidate]
    warnings = []
    if patient.age_years is None:
        warnings.append(Warn.AGE_UNKNOWN)
    if candidate.kernel is Kernel.SHARP:
        warnings.append(Warn.SHARP_KERNEL)
    return Selected(
        study_uid=study.study_uid,
        series_uid=candidate.series_uid,
        stack=candidate.stack,
        kernel=candidate.first.kernel if candidate.first else "",
        age_years=patient.age_years,
        warnings=tuple(warnings),
        judgements=(*own, *others),
    )
