"""Every table of the lake, once: typed rows, the source of Arrow schemas, SQL comments and `docs/tables.md`.

One field of a row class is one column. Column names are a contract with everyone who reads the lake: add
columns (nullable ones), never rename. What the fields' annotations mean stands in `tasks/table.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

import pyarrow as pa

from tasks.outcomes import Outcome, Reason, Warn
from tasks.table import Doc, SchemaError, Table, table

__all__ = ["TABLES", "SchemaError", "conform"]


class Tier(StrEnum):
    """How urgent a study is, the most urgent first."""

    HIGH = "high"
    INTERMEDIATE = "intermediate"
    LOW = "low"


class Decision(StrEnum):
    """What a reviewer decided about a study on the worklist."""

    REFER_DXA = "refer_dxa"
    ALREADY_KNOWN = "already_known"
    NO_ACTION = "no_action"
    IMAGE_PROBLEM = "image_problem"
    LATER = "later"


class RunStatus(StrEnum):
    """How a run stands; one that is still `running` while nobody holds the lake's lock has died."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


_STUDY_UID = Doc("StudyInstanceUID (0020,000D).")
_SERIES_UID = Doc("SeriesInstanceUID (0020,000E).")
_CONTENT_KEY = Doc("Digest of the study's content as it was read; changes when images arrive or change.")
_MODEL_VERSION = Doc("Version of the model.")
_PIPELINE_VERSION = Doc("Version of the measurement: its number, and a digest of the settings it depends on.")
_PATIENT_KEY = Doc("Keyed hash of issuer and PatientID; who it is stands in identities/ only.")
_RUN_ID = Doc("The run that wrote the row.")
_PROBABILITY = Doc("Calibrated probability of osteoporosis.", low=0, high=1)


def _hu(text: str) -> Doc:
    """A column in Hounsfield units; beyond these limits no 12- or 16-bit CT value can be tissue."""
    return Doc(text, unit="HU", low=-1100, high=3100)


def _count(text: str, unit: str = "") -> Doc:
    return Doc(text, unit=unit, low=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningRow:
    """What became of one study under one model and pipeline version."""

    run_id: Annotated[str, _RUN_ID]
    screened_at: Annotated[datetime, Doc("When the study was finished.")]
    patient_key: Annotated[str, _PATIENT_KEY]
    study_uid: Annotated[str, _STUDY_UID]
    content_key: Annotated[str, _CONTENT_KEY]
    series_uid: Annotated[str | None, Doc("The series that was measured; null when none was chosen.")] = None
    study_date: Annotated[date | None, Doc("StudyDate (0008,0020).")] = None
    outcome: Annotated[Outcome, Doc("How the study ended.")]
    reason: Annotated[Reason | None, Doc("Why it was not scored; null when it was.")] = None
    detail: Annotated[str | None, Doc("Measured values behind the reason, for an engineer.")] = None
    age_years: Annotated[float | None, Doc("Age at the study.", unit="a", low=0, high=130)] = None
    sex: Annotated[str | None, Doc("PatientSex: F, M or O.")] = None
    manufacturer: Annotated[str | None, Doc("Scanner vendor.")] = None
    scanner_model: Annotated[str | None, Doc("Scanner model.")] = None
    site: Annotated[str | None, Doc("Institution, as the header names it.")] = None
    kvp: Annotated[float | None, Doc("Tube voltage.", unit="kV", low=0)] = None
    kernel: Annotated[str | None, Doc("Reconstruction kernel.")] = None
    slice_thickness_mm: Annotated[float | None, Doc("SliceThickness.", unit="mm", low=0)] = None
    slice_spacing_mm: Annotated[
        float | None, Doc("Distance between slices, from their positions.", unit="mm", low=0)
    ] = None
    pixel_spacing_mm: Annotated[float | None, Doc("Edge of a pixel.", unit="mm", low=0)] = None
    coverage_mm: Annotated[float | None, Doc("Length of the body covered.", unit="mm", low=0)] = None
    transfer_syntax_uid: Annotated[str | None, Doc("How the pixels were encoded.")] = None
    model_name: Annotated[str, Doc("Triton model.")]
    model_version: Annotated[str, _MODEL_VERSION]
    model_label: Annotated[
        str, Doc("What the weights are, such as phantom-reference (not for clinical use).")
    ]
    pipeline_version: Annotated[str, _PIPELINE_VERSION]
    probability: Annotated[float | None, _PROBABILITY] = None
    probability_low: Annotated[
        float | None, Doc("Calibrated probability of its lowest vertebra.", low=0, high=1)
    ] = None
    probability_high: Annotated[
        float | None, Doc("Calibrated probability of its highest vertebra.", low=0, high=1)
    ] = None
    logit_mean: Annotated[float | None, Doc("Mean logit over vertebrae, before calibration.")] = None
    risk_tier: Annotated[Tier | None, Doc("The tier that orders the worklist; null when not scored.")] = None
    attenuation_tier: Annotated[Tier | None, Doc("Tier by HU against the cut-offs of each level.")] = None
    model_tier: Annotated[Tier | None, Doc("Tier by the model's probability.")] = None
    attenuation_margin_hu: Annotated[
        float | None,
        Doc("Median over vertebrae of HU at 120 kVp above the level's high-risk cut-off.", unit="HU"),
    ] = None
    trabecular_hu: Annotated[float | None, _hu("Median over vertebrae of the mean trabecular HU.")] = None
    trabecular_hu_120kvp: Annotated[float | None, _hu("The same, converted to 120 kVp.")] = None
    levels: Annotated[
        tuple[str, ...], Doc("Levels measured, from the lowest up; ? where none can be told.")
    ] = ()
    muscle_area_cm2: Annotated[
        float | None,
        _count("Area of paraspinal muscle within 65 mm of the canal, at T12, else L1 or T11.", "cm2"),
    ] = None
    muscle_hu: Annotated[float | None, _hu("Mean HU of that muscle.")] = None
    smi_cm2_m2: Annotated[
        float | None,
        _count("That area over height squared; cut-offs of whole-section SMI do not apply.", "cm2/m2"),
    ] = None
    aorta_hu: Annotated[float | None, _hu("Median HU of the blood in the descending aorta.")] = None
    warnings: Annotated[tuple[Warn, ...], Doc("Doubts that travel with the score.")] = ()
    archive_series: Annotated[int | None, _count("Series that the archive held of the study.")] = None
    slices_total: Annotated[int | None, _count("Slices in the chosen series.")] = None
    slices_read: Annotated[int | None, _count("Slices that were decoded.")] = None
    bytes_total: Annotated[int | None, _count("Size of the chosen series.", "By")] = None
    bytes_read: Annotated[int | None, _count("Bytes that were read of it.", "By")] = None
    seconds_read: Annotated[float | None, _count("Time spent reading and decoding.", "s")] = None
    seconds_infer: Annotated[
        float | None, _count("Time spent making crops and waiting for the model.", "s")
    ] = None
    seconds_total: Annotated[float | None, _count("Time spent on the study.", "s")] = None
    explain_path: Annotated[str | None, Doc("Picture that explains the score, relative to the lake.")] = None
    superseded_at: Annotated[
        datetime | None,
        Doc("When a later row of the same study and model version took its place; null while it stands."),
    ] = None
    archive_key: Annotated[str | None, Doc("The archive it was read from, not its address.")] = None
    archive_gone_at: Annotated[
        datetime | None,
        Doc("When a night first found that the archive no longer holds the study; null while it does."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraRow:
    """One vertebra that was looked at in one screening."""

    study_uid: Annotated[str, _STUDY_UID]
    series_uid: Annotated[str, _SERIES_UID]
    content_key: Annotated[str, _CONTENT_KEY]
    model_version: Annotated[str, _MODEL_VERSION]
    pipeline_version: Annotated[str, _PIPELINE_VERSION]
    position: Annotated[int, _count("0 for the lowest vertebra of the study, then upwards.")]
    level: Annotated[str | None, Doc("T1 to L5; null when it cannot be told.")] = None
    level_confidence: Annotated[float | None, Doc("How sure the level is.", low=0, high=1)] = None
    x_mm: Annotated[float, Doc("Centre of the body, patient coordinates LPS, to the left.", unit="mm")]
    y_mm: Annotated[float, Doc("The same, to the back.", unit="mm")]
    z_mm: Annotated[float, Doc("The same, to the head.", unit="mm")]
    trabecular_hu: Annotated[float | None, _hu("Mean HU of the trabecular region of interest.")] = None
    trabecular_hu_120kvp: Annotated[float | None, _hu("The same, converted to 120 kVp.")] = None
    trabecular_sd: Annotated[float | None, _count("Standard deviation in that region.", "HU")] = None
    roi_area_mm2: Annotated[float | None, _count("Area of that region.", "mm2")] = None
    height_mm: Annotated[float | None, _count("Distance between the endplates.", "mm")] = None
    width_mm: Annotated[float | None, _count("Transverse diameter.", "mm")] = None
    depth_mm: Annotated[float | None, _count("Sagittal diameter.", "mm")] = None
    high_cutoff_hu: Annotated[float | None, _hu("At or below it the level's tier is high.")] = None
    intermediate_cutoff_hu: Annotated[float | None, _hu("At or below it, intermediate; above, low.")] = None
    attenuation_tier: Annotated[Tier | None, Doc("Tier of this vertebra by those cut-offs.")] = None
    logit: Annotated[float | None, Doc("The model's logit; null when it was not asked.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRow:
    """One series that the archive held when the study was screened."""

    run_id: Annotated[str, _RUN_ID]
    study_uid: Annotated[str, _STUDY_UID]
    series_uid: Annotated[str, _SERIES_UID]
    content_key: Annotated[str, _CONTENT_KEY]
    study_date: Annotated[date | None, Doc("StudyDate (0008,0020).")] = None
    modality: Annotated[str | None, Doc("Modality.")] = None
    series_number: Annotated[int | None, Doc("SeriesNumber.")] = None
    instances: Annotated[int, _count("Image instances in the series.")]
    slice_thickness_mm: Annotated[float | None, Doc("SliceThickness.", unit="mm", low=0)] = None
    slice_spacing_mm: Annotated[float | None, Doc("Distance between slices.", unit="mm", low=0)] = None
    kvp: Annotated[float | None, Doc("Tube voltage.", unit="kV", low=0)] = None
    kernel: Annotated[str | None, Doc("Reconstruction kernel.")] = None
    transfer_syntax_uid: Annotated[str | None, Doc("How the pixels are encoded.")] = None
    chosen: Annotated[bool, Doc("Whether this is the series that was measured.")]
    reason: Annotated[Reason | None, Doc("Why it could not be measured; null when it could.")] = None
    detail: Annotated[str | None, Doc("Measured values behind the reason.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run: a night, or one window of a backfill."""

    run_id: Annotated[str, Doc("Names the run; its configuration is runs/<run_id>.json.")]
    status: Annotated[RunStatus, Doc("How it stands.")]
    started_at: Annotated[datetime, Doc("When it began.")]
    finished_at: Annotated[datetime | None, Doc("When it ended.")] = None
    archive: Annotated[
        str | None, Doc("Kind of archive: folder, dicomweb, dimse, or crops (what the lake kept).")
    ] = None
    archive_key: Annotated[str | None, Doc("Names the archive without its address.")] = None
    model_name: Annotated[str | None, Doc("Triton model.")] = None
    model_version: Annotated[str | None, _MODEL_VERSION] = None
    model_label: Annotated[str | None, Doc("What the weights are.")] = None
    pipeline_version: Annotated[str, _PIPELINE_VERSION]
    found: Annotated[
        int, _count("Studies of the days asked for that have a row; = scored + excluded + failed.")
    ] = 0
    scored: Annotated[int, _count("Studies scored.")] = 0
    excluded: Annotated[int, _count("Studies refused.")] = 0
    failed: Annotated[int, _count("Studies failed.")] = 0
    unchanged: Annotated[int, _count("Studies that an earlier run had finished.")] = 0
    resumed: Annotated[int, _count("Studies taken over from a run that died.")] = 0
    arriving: Annotated[int | None, _count("Studies left for a later run: they had just changed.")] = None
    gone: Annotated[int | None, _count("Studies first found gone from the archive.")] = None
    archive_note: Annotated[str | None, Doc("What was odd about the archive.")] = None
    slices_total: Annotated[int, _count("Slices in the chosen series.")] = 0
    slices_read: Annotated[int, _count("Slices decoded.")] = 0
    bytes_read: Annotated[int, _count("Bytes read of them.", "By")] = 0
    seconds: Annotated[float | None, _count("Length of the run.", "s")] = None
    problem: Annotated[str | None, Doc("Why the run could not finish.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRow:
    """Who a patient is. Only in identities/."""

    patient_key: Annotated[str, _PATIENT_KEY]
    patient_id: Annotated[str | None, Doc("PatientID.")] = None
    issuer: Annotated[str | None, Doc("IssuerOfPatientID.")] = None
    name: Annotated[str | None, Doc("PatientName.")] = None
    birth_date: Annotated[str | None, Doc("PatientBirthDate, as the header has it.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessionRow:
    """Under which number a study is known to the hospital. Only in identities/."""

    study_uid: Annotated[str, _STUDY_UID]
    patient_key: Annotated[str, _PATIENT_KEY]
    accession_number: Annotated[str | None, Doc("AccessionNumber.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRow:
    """One decision of a reviewer; the latest one of a study counts."""

    review_id: Annotated[str, Doc("Names the decision.")]
    reviewed_at: Annotated[datetime, Doc("When it was made.")]
    reviewer: Annotated[str, Doc("Who made it, as the page knows them.")]
    study_uid: Annotated[str, _STUDY_UID]
    patient_key: Annotated[str | None, _PATIENT_KEY] = None
    model_version: Annotated[str | None, Doc("Model version of the score that was looked at.")] = None
    risk_tier: Annotated[Tier | None, Doc("Tier that was shown.")] = None
    decision: Annotated[Decision, Doc("What was decided.")]
    note: Annotated[str | None, Doc("What the reviewer wrote.")] = None


def _outcome_has_its_reason(row: Mapping[str, object]) -> str:
    """Scored without a reason and with a tier; anything else with a reason of its own kind and no score."""
    outcome, reason = str(row["outcome"]), row.get("reason")
    if outcome == Outcome.SCORED:
        missing = [name for name in ("probability", "risk_tier") if row.get(name) is None]
        if reason is not None or missing:
            return f"scored, but reason is {reason} and {', '.join(missing) or 'nothing'} is null"
        return ""
    if reason is None or Reason(str(reason)).outcome != outcome:
        return f"outcome {outcome} does not go with reason {reason}"
    scores = [name for name in ("probability", "risk_tier") if row.get(name) is not None]
    return f"{outcome}, but {', '.join(scores)} is given" if scores else ""


SCREENING_KEY = ("study_uid", "content_key", "model_version", "pipeline_version")

TABLES: dict[str, Table] = {
    item.name: item
    for item in (
        table(
            "screenings",
            ScreeningRow,
            "One row per study, content, model version and pipeline version: whatever became of the study.",
            SCREENING_KEY,
            _outcome_has_its_reason,
        ),
        table(
            "vertebrae",
            VertebraRow,
            "One row per vertebra that was looked at, with what was measured there.",
            (*SCREENING_KEY, "position"),
        ),
        table(
            "series",
            SeriesRow,
            "One row per series of each screened study, and why it was chosen or not.",
            ("study_uid", "series_uid"),
        ),
        table("runs", RunRow, "One row per run, with its tally.", ("run_id",)),
        table("reviews", ReviewRow, "One row per decision of a reviewer.", ("review_id",)),
        table("patients", PatientRow, "One row per patient, in identities/ alone.", ("patient_key",)),
        table(
            "accessions",
            AccessionRow,
            "One row per study: its accession number, in identities/ alone.",
            ("study_uid",),
        ),
    )
}


def conform(table_name: str, rows: Sequence[object]) -> pa.Table:
    """Rows, as mappings or row dataclasses, as an Arrow table of exactly the table's schema.

    Raises:
        SchemaError: naming all mismatches at once, by row number and column.
        KeyError: when there is no such table.
    """
    return TABLES[table_name].conform(rows)


def document() -> str:
    """The text of `docs/tables.md`."""
    head = (
        "# Tables of the lake\n\n"
        "Generated from `tasks/schema.py` by `make docs`; edit there. `screenings`,\n"
        "`vertebrae` and `series` lie in one Parquet file per month of the study (`study_month=YYYY-MM`,\n"
        "or `unknown`); `patients` and `accessions` lie apart in `identities/`.\n\n"
    )
    return head + "\n".join(item.markdown for item in TABLES.values())
