"""From what is known of a study to the rows that it leaves: the screening, its vertebrae, and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flows.findings import Bench, Findings, Work
from flows.header_rows import accession_row, first_header, fitting, header_columns, patient_row, series_rows
from tasks.infer.manifest import Manifest
from tasks.measure.vertebrae import Vertebra
from tasks.outcomes import Outcome, StudyEnded, Warn
from tasks.publish.result import ScreeningKey, StudyResult
from tasks.schema import ScreeningRow, VertebraRow

_UNKNOWN_LEVEL = "?"


def result_of(
    bench: Bench, work: Work, findings: Findings, end: StudyEnded | None, seconds_total: float
) -> StudyResult:
    """Every row of one study.

    Args:
        bench, work: what it was worked on with.
        findings: as far as the steps came.
        end: why it was not scored; None when it was.
        seconds_total: time spent on it.
    """
    header = first_header(work.study)
    columns: dict[str, Any] = {
        **_identity_of_work(bench.run_id, work.key, work.patient_key, bench.manifest),
        **_ending(end),
        **fitting("screenings", header_columns(header) | _series_columns(findings)),
        **_measured_columns(findings),
        "warnings": _unique(findings.warnings) if end is None else (),
        "archive_key": bench.archive_key,
        "archive_series": len(work.study.series),
        "seconds_total": seconds_total,
    }
    return StudyResult(
        screening=ScreeningRow(**columns),
        vertebrae=tuple(_vertebra_rows(work.key, findings)) if findings.score else (),
        series=series_rows(bench.run_id, work, findings),
        patient=patient_row(work.patient_key, header),
        accession=accession_row(work, header),
    )


def _identity_of_work(run_id: str, key: ScreeningKey, patient_key: str, manifest: Manifest) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "screened_at": datetime.now(UTC),
        "patient_key": patient_key,
        **key._asdict(),
        "model_name": manifest.name,
        "model_label": manifest.label,
    }


def _ending(end: StudyEnded | None) -> dict[str, Any]:
    if end is None:
        return {"outcome": Outcome.SCORED}
    return {"outcome": end.reason.outcome, "reason": end.reason, "detail": end.detail or None}


def _series_columns(findings: Findings) -> dict[str, Any]:
    """The chosen series, and what reading it cost."""
    selected, volume = findings.selected, findings.volume
    if selected is None or volume is None:
        return {}
    header = selected.stack.planes[0].instance
    cost = volume.cost
    return {
        "series_uid": selected.series_uid,
        "age_years": selected.age_years,
        "kvp": header.kvp,
        "kernel": selected.kernel or None,
        "slice_thickness_mm": header.slice_thickness_mm,
        "slice_spacing_mm": selected.stack.spacing_mm,
        "pixel_spacing_mm": header.pixel_spacing_mm[0] if header.pixel_spacing_mm else None,
        "coverage_mm": selected.stack.coverage_mm,
        "transfer_syntax_uid": volume.transfer_syntax_uid or None,
        "slices_total": cost.slices_total,
        "slices_read": cost.slices_read,
        "bytes_total": cost.bytes_total,
        "bytes_read": cost.bytes_read,
        "seconds_read": cost.seconds_read,
    }


def _measured_columns(findings: Findings) -> dict[str, Any]:
    """Numbers; none of them stands in the row of a study that was not scored."""
    score, anatomy, muscle = findings.score, findings.anatomy, findings.muscle
    if score is None or anatomy is None:
        return {}
    return {
        "probability": score.probability,
        "probability_low": score.probability_low,
        "probability_high": score.probability_high,
        "logit_mean": score.logit_mean,
        "risk_tier": score.risk_tier,
        "attenuation_tier": score.attenuation_tier,
        "model_tier": score.model_tier,
        "attenuation_margin_hu": score.attenuation_margin_hu,
        "trabecular_hu": score.trabecular_hu,
        "trabecular_hu_120kvp": score.trabecular_hu_120kvp,
        "levels": tuple(item.body.level or _UNKNOWN_LEVEL for item in findings.vertebrae),
        "muscle_area_cm2": muscle.area_cm2 if muscle else None,
        "muscle_hu": muscle.hu if muscle else None,
        "smi_cm2_m2": findings.smi_cm2_m2,
        "aorta_hu": anatomy.aorta.hu if anatomy.aorta else None,
        "seconds_infer": findings.seconds_infer,
        "explain_path": findings.picture,
    }


def _vertebra_rows(key: ScreeningKey, findings: Findings) -> list[VertebraRow]:
    assert findings.score and findings.prediction and findings.selected  # noqa: S101 - scored means all of them
    return [
        VertebraRow(
            **key._asdict(),
            series_uid=findings.selected.series_uid,
            position=position,
            **_vertebra_columns(vertebra),
            high_cutoff_hu=score.cutoff.high_hu,
            intermediate_cutoff_hu=score.cutoff.intermediate_hu,
            attenuation_tier=score.tier,
            logit=float(logit),
        )
        for position, (vertebra, score, logit) in enumerate(
            zip(findings.vertebrae, findings.score.vertebrae, findings.prediction.logits, strict=True)
        )
    ]


def _vertebra_columns(vertebra: Vertebra) -> dict[str, Any]:
    body, trabecular = vertebra.body, vertebra.trabecular
    return {
        "level": body.level,
        "level_confidence": body.level_confidence,
        "x_mm": body.x_mm,
        "y_mm": body.y_mm,
        "z_mm": body.z_mm,
        "trabecular_hu": trabecular.hu,
        "trabecular_hu_120kvp": vertebra.hu_120kvp,
        "trabecular_sd": trabecular.sd_hu,
        "roi_area_mm2": trabecular.area_mm2,
        "height_mm": body.height_mm,
        "width_mm": body.width_mm,
        "depth_mm": body.depth_mm,
    }


def _unique(warnings: Sequence[Warn]) -> tuple[Warn, ...]:
    return tuple(word for word in Warn if word in warnings)
