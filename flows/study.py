"""One study on a worker, from headers to its row: the steps of the night in their order, as a table.

`screen_study` is what Dask runs. It raises for nothing that a study can do to it: whatever happens, the study
leaves one result with an outcome and a reason.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flows.findings import Bench, Findings, Work
from flows.header_rows import first_header
from flows.rows import result_of
from flows.shown import shown
from tasks.archive.patient import patient_key
from tasks.dicom.source import Mislisted
from tasks.files import DiskFullError
from tasks.infer.crop import model_crop
from tasks.lifecycle import Observer, State, StudyLife
from tasks.locate.locate import locate
from tasks.measure.muscle import measure_muscle, smi_cm2_m2
from tasks.measure.vertebrae import measure_vertebrae
from tasks.outcomes import ConfigurationError, Excluded, Failed, Outcome, Reason, StudyEnded, Warn
from tasks.publish.result import StudyResult
from tasks.score.study import Measured, score_study
from tasks.select.series import Selected, eligible_series, judge_study
from tasks.volume.volume import Volume

log = logging.getLogger(__name__)


class _Ended(Exception):  # noqa: N818 - carries what was found so far out of a step that ends the study
    def __init__(self, end: StudyEnded, findings: Findings) -> None:
        super().__init__(str(end))
        self.end = end
        self.findings = findings


def screen_study(bench: Bench, work: Work, observers: tuple[Observer, ...] = ()) -> StudyResult:
    """Screen one study.

    Args:
        bench: settings, model and lake of the night.
        work: the study and the key of this piece of work.
        observers: hear of every move of the study (see `tasks.lifecycle`).

    Returns:
        Its rows, scored or refused or failed; never an exception for what a study holds.

    Raises:
        ConfigurationError: when the model that answers is not the one configured, which ends the run.
        DiskFullError: when there is no room for the study's picture, which ends the run too.
    """
    try:
        return _screened(bench, work, observers, is_again=False)
    except Mislisted:
        return _screened(bench, work, observers, is_again=True)


def _screened(bench: Bench, work: Work, observers: tuple[Observer, ...], *, is_again: bool) -> StudyResult:
    """As `screen_study`.

    Raises:
        Mislisted: unless `is_again`: from the beginning it may go well.
    """
    started_s = time.monotonic()
    life = StudyLife(work.study.study_uid, observers)
    source = bench.access.instances()
    findings = Findings(source=source)
    end: StudyEnded | None = None
    try:
        work = _in_full(bench, work)
        for step, reached in STEPS:
            findings = step(bench, work, findings)
            life.advance(reached)
    except _Ended as ended:
        end, findings = ended.end, ended.findings
    except StudyEnded as ended:
        if isinstance(ended, Mislisted) and not is_again:
            raise
        end = ended
    except (ConfigurationError, DiskFullError):
        raise
    except Exception as error:  # noqa: BLE001 - a bug met in one study must not take the night along
        end = Failed(Reason.INTERNAL_ERROR, where_it_broke(error))
        log.error("a study ended in a bug: %s", end.detail)
    finally:
        source.close()
    if end is not None:
        life.advance(State.FAILED if end.reason.outcome is Outcome.FAILED else State.EXCLUDED)
    return result_of(bench, work, findings, end, time.monotonic() - started_s)


def lost_study(bench: Bench, work: Work, detail: str) -> StudyResult:
    """The result of a study whose workers died each time."""
    return result_of(bench, work, Findings(), Failed(Reason.WORKER_LOST, detail), 0.0)


def _in_full(bench: Bench, work: Work) -> Work:
    """The work with every header that matters: a list of an archive may have told less of the patient too."""
    study = bench.access.headers(work.study)
    header = first_header(study)
    if study is work.study or header is None or bench.secret is None:
        return replace(work, study=study)
    return replace(work, study=study, patient_key=patient_key(header.identity, bench.secret, study.study_uid))


def _select(bench: Bench, work: Work, findings: Findings) -> Findings:
    try:
        best, *others = eligible_series(work.study, bench.settings, work.known)
    except StudyEnded as end:
        judged = replace(findings, judgements=judge_study(work.study, bench.settings))
        raise _Ended(end, judged) from None
    return _opened(bench, replace(findings, judgements=best.judgements), (best, *others))


def _opened(bench: Bench, findings: Findings, series: tuple[Selected, ...]) -> Findings:
    """The first of the series opened, the others kept in case it turns out to be enhanced."""
    selected, *others = series
    volume = Volume(selected.stack, findings.source, bench.settings.selection)
    return replace(
        findings, selected=selected, others=tuple(others), volume=volume, warnings=selected.warnings
    )


def _locate(bench: Bench, work: Work, findings: Findings) -> Findings:
    """Find the spine; a series that turns out to be enhanced gives way to the next that may be measured."""
    assert findings.volume is not None  # noqa: S101 - the step before left it
    try:
        anatomy = locate(findings.volume, bench.settings)
    except Excluded as end:
        if end.reason is Reason.CONTRAST_ENHANCED and findings.others:
            return _locate(bench, work, _opened(bench, findings, findings.others))
        raise _Ended(end, findings) from None
    return replace(findings, anatomy=anatomy, warnings=findings.warnings + anatomy.warnings)


def _measure(bench: Bench, _work: Work, findings: Findings) -> Findings:
    volume, anatomy, selected = findings.volume, findings.anatomy, findings.selected
    assert volume and anatomy and selected  # noqa: S101 - the steps before left them
    header = selected.stack.planes[0].instance
    vertebrae, doubts = measure_vertebrae(volume, anatomy.bodies, header.kvp, bench.settings)
    muscle = measure_muscle(volume, anatomy, bench.settings.muscle)
    smi = smi_cm2_m2(muscle, header.patient_height_m)
    if muscle is None:
        doubts = (*doubts, Warn.MUSCLE_NOT_MEASURED)
    elif smi is None:
        doubts = (*doubts, Warn.HEIGHT_UNKNOWN)
    return replace(
        findings,
        vertebrae=vertebrae,
        muscle=muscle,
        smi_cm2_m2=smi,
        warnings=(*findings.warnings, *doubts),
    )


def _infer(bench: Bench, _work: Work, findings: Findings) -> Findings:
    """Ask the model; crops are written where the server reads them, and nowhere else."""
    assert findings.volume is not None  # noqa: S101 - a step before left it
    started_s = time.monotonic()
    with bench.client.crops(len(findings.vertebrae)) as slot:
        for vertebra, place in zip(findings.vertebrae, slot.pixels, strict=True):
            model_crop(findings.volume, vertebra.body, out=place)
        prediction = bench.client.infer(slot)
    return replace(findings, prediction=prediction, seconds_infer=time.monotonic() - started_s)


def _score(bench: Bench, work: Work, findings: Findings) -> Findings:
    """The score, and the picture that shows why: one does not stand without the other.

    Neither stands when the archive now holds another study than the one that was read.
    """
    assert findings.prediction is not None  # noqa: S101 - the step before left it
    bench.access.confirm(work.study)
    measured = [
        Measured(
            level=vertebra.body.level,
            level_confidence=vertebra.body.level_confidence,
            trabecular_hu=vertebra.trabecular.hu,
            trabecular_hu_120kvp=vertebra.hu_120kvp,
            logit=float(logit),
        )
        for vertebra, logit in zip(findings.vertebrae, findings.prediction.logits, strict=True)
    ]
    manifest = bench.manifest
    score = score_study(
        measured, manifest.calibration, bench.settings.scoring, manifest.label, findings.warnings
    )
    return shown(bench, work, replace(findings, score=score, warnings=score.warnings))


Step = Callable[[Bench, Work, Findings], Findings]
STEPS: tuple[tuple[Step, State], ...] = (
    (_select, State.SELECTED),
    (_locate, State.LOCATED),
    (_measure, State.MEASURED),
    (_infer, State.INFERRED),
    (_score, State.SCORED),
)
"""The steps of the night, and the state in which each leaves the study."""


def where_it_broke(error: Exception) -> str:
    """Kind of error and our line it came from; its text may hold patient data and is left out."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename
    ]
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
