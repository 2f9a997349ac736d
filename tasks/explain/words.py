"""What became of a study, in words: for `osteoscreen explain`, the page, and the texts of the picture."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.outcomes import Outcome, Reason, Warn
from tasks.schema import ScreeningRow, Tier, VertebraRow
from tasks.score.study import PHANTOM_REFERENCE

NOT_RULED_OUT = "This does not rule out low bone density: only a bone density test (DXA) can."
UNSURE_BELOW = 0.5  # a level name less sure than this is shown with a question mark
TIER_WORDS = {
    Tier.HIGH: "HIGH",
    Tier.INTERMEDIATE: "INTERMEDIATE",
    Tier.LOW: "LOW",
}


def headline(row: ScreeningRow) -> str:
    """One sentence: the bone against its cut-offs."""
    hu, margin = row.trabecular_hu_120kvp, row.attenuation_margin_hu
    scale = "at 120 kVp" if hu is not None else "as scanned"
    hu = row.trabecular_hu if hu is None else hu
    if hu is None or margin is None:
        return "No attenuation was measured."
    side = "above" if margin > 0 else "below"
    return (
        f"Trabecular bone: median {hu:.0f} HU {scale}, "
        f"{abs(margin):.0f} HU {side} the high-risk cut-off of its levels."
    )


def model_sentence(row: ScreeningRow) -> str:
    """One sentence: what the model says, and what its weights are."""
    if row.probability is None:
        return "The model gave no probability."
    single = ""
    if row.probability_low is not None and row.probability_high is not None:
        single = f" (single vertebrae {row.probability_low:.2f} to {row.probability_high:.2f})"
    return (
        f"Model: probability of osteoporosis {row.probability:.2f}{single}, {label_words(row.model_label)}."
    )


def label_words(label: str) -> str:
    """The weights' label, with what it means where that matters."""
    return f"{label} weights: not for clinical use" if label == PHANTOM_REFERENCE else f"{label} weights"


def level_words(row: VertebraRow) -> str:
    """A level's name, with a question mark where it is unsure; the vertebra's number where there is none."""
    if row.level is None:
        return f"#{row.position + 1}"
    return f"{row.level}?" if (row.level_confidence or 0.0) < UNSURE_BELOW else row.level


def explain_words(row: ScreeningRow, vertebrae: Sequence[VertebraRow]) -> str:
    """Everything known of one screening, for a person at a terminal; no patient data.

    Args:
        row: scored, excluded or failed.
        vertebrae: those of the screening, from the lowest up; may be empty.
    """
    lines = [f"Study {row.study_uid}", ""]
    if row.outcome == Outcome.SCORED and row.risk_tier is not None:
        lines += [f"Risk tier: {row.risk_tier}", headline(row), model_sentence(row)]
        lines.append(f"Tiers: attenuation {row.attenuation_tier}, model {row.model_tier}.")
    elif row.reason is not None:
        lines += _why_not(row)
    if row.warnings:
        lines += ["", "Warnings:", *(f"  - {Warn(word).sentence}" for word in row.warnings)]
    if vertebrae:
        lines += ["", *_vertebra_lines(vertebrae)]
    lines += ["", *_circumstances(row)]
    if row.outcome == Outcome.SCORED:
        lines += ["", NOT_RULED_OUT]
    return "\n".join(lines) + "\n"


def _why_not(row: ScreeningRow) -> list[str]:
    reason = Reason(str(row.reason))
    lines = [f"Not scored, {row.outcome}: {reason} – {reason.sentence}"]
    if row.detail:
        lines.append(f"Detail: {row.detail}")
    if reason.is_transient:
        lines.append("It will be tried again by the next run.")
    elif row.outcome == Outcome.FAILED:
        lines.append("It will be tried again when the images in the archive change.")
    return lines


def _vertebra_lines(vertebrae: Sequence[VertebraRow]) -> list[str]:
    """A small table, the highest vertebra first, as in the body."""
    lines = ["Level  HU(120)     HU     SD  cut-offs     tier          logit  centre x, y, z mm"]
    for row in reversed(vertebrae):
        cutoffs = "–"
        if row.high_cutoff_hu is not None and row.intermediate_cutoff_hu is not None:
            cutoffs = f"{row.high_cutoff_hu:.0f} / {row.intermediate_cutoff_hu:.0f}"
        lines.append(
            f"{level_words(row):5} {_number(row.trabecular_hu_120kvp, 8)} {_number(row.trabecular_hu, 6)} "
            f"{_number(row.trabecular_sd, 6)}  {cutoffs:11}  {row.attenuation_tier or '–':12} "
            f"{_number(row.logit, 6, 2)}  {row.x_mm:.0f}, {row.y_mm:.0f}, {row.z_mm:.0f}"
        )
    return lines


def _number(value: float | None, width: int, digits: int = 0) -> str:
    return f"{'–':>{width}}" if value is None else f"{value:{width}.{digits}f}"


def _circumstances(row: ScreeningRow) -> list[str]:
    """How it was scanned, what was read, and what did the work."""
    facts = {
        "Scan": [
            _with_unit(row.kvp, "kVp"),
            f"kernel {row.kernel}" if row.kernel else "",
            _with_unit(row.slice_thickness_mm, "mm thick", 2),
            _with_unit(row.slice_spacing_mm, "mm apart", 2),
            " ".join(word for word in (row.manufacturer, row.scanner_model) if word),
        ],
        "Muscle": [_with_unit(row.muscle_area_cm2, "cm²", 1), _with_unit(row.muscle_hu, "HU")],
        "Read": [
            f"{row.slices_read} of {row.slices_total} slices" if row.slices_total else "",
            _with_unit(row.seconds_read, "s reading", 1),
            _with_unit(row.seconds_infer, "s waiting for the model", 1),
        ],
        "Model": [f"{row.model_name} {row.model_version}", label_words(row.model_label)],
        "Work": [
            f"osteoscreen {row.pipeline_version}",
            f"run {row.run_id}",
            f"{row.screened_at:%Y-%m-%d %H:%M} UTC",
        ],
        "Picture": [row.explain_path or ""],
        "Archive": [
            f"holds the study no longer, missed since {row.archive_gone_at:%Y-%m-%d}"
            if row.archive_gone_at
            else ""
        ],
        "Superseded": [f"{row.superseded_at:%Y-%m-%d %H:%M} UTC" if row.superseded_at else ""],
    }
    told = ((name, ", ".join(item for item in items if item)) for name, items in facts.items())
    return [f"{name + ':':12}{text}" for name, text in told if text]


def _with_unit(value: float | None, unit: str, digits: int = 0) -> str:
    return "" if value is None else f"{value:.{digits}f} {unit}"
