"""`draw_explanation`: one PNG that shows a clinician why a study got its tier.

From the left: the spine from the side with the measured levels; the bone of each level against that level's
cut-offs; where the bone was measured, and where the model looked. Nothing in it says who the patient is.
"""

from __future__ import annotations

import io
import textwrap
import zlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from tasks.explain.panels import (
    GREY,
    INK,
    TIER_COLOURS,
    VertebraView,
    draw_attenuation,
    draw_measured,
    draw_model,
    draw_small,
    draw_strip,
)
from tasks.explain.strip import SagittalStrip
from tasks.explain.words import (
    NOT_RULED_OUT,
    TIER_WORDS,
    headline,
    label_words,
    model_sentence,
)
from tasks.outcomes import own_doubts
from tasks.schema import ScreeningRow, Tier
from tasks.score.study import PHANTOM_REFERENCE

WIDTH_PX, HEIGHT_PX, DPI = 1400, 900, 100
MOST_SMALL = 3
MOST_WARNINGS = 7
READING_AID = (
    "Axial images as seen from the feet: the patient's right is on the left. The heatmap shows which\n"
    "region raised the model's score, on one scale for all vertebrae; it is no measurement."
)
STRIP_AID = "Ticks: slices that were read; between them interpolated."


def draw_explanation(
    screening: ScreeningRow, vertebrae: Sequence[VertebraView], strip: SagittalStrip | None
) -> bytes:
    """The picture of a scored study, a PNG of 1400 × 900 pixels.

    Args:
        screening: a scored row.
        vertebrae: at least one, from the lowest up.
        strip: the spine from the side; its place stays empty without it.

    Raises:
        ValueError: when there is nothing to show.
    """
    if not vertebrae or screening.risk_tier is None:
        raise ValueError("only a scored study with its vertebrae can be shown")
    figure = Figure(figsize=(WIDTH_PX / DPI, HEIGHT_PX / DPI), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    _draw_heading(figure, screening, screening.risk_tier)
    draw_strip(_axes(figure, 25, 158, 285, 640), vertebrae, strip)
    draw_attenuation(_axes(figure, 370, 158, 350, 330), vertebrae)
    _draw_warnings(figure, screening)
    shown = max(vertebrae, key=_urgency)
    peaks = [float(view.heatmap.max()) for view in vertebrae if view.heatmap is not None]
    strongest = max(peaks, default=0.0)
    draw_measured(_axes(figure, 755, 158, 305, 305), shown)
    draw_model(_axes(figure, 1070, 158, 305, 305), shown, strongest)
    others = [view for view in reversed(vertebrae) if view is not shown][:MOST_SMALL]
    for place, view in enumerate(others):
        draw_small(_axes(figure, 755 + place * 210, 508, 200, 200), view, strongest)
    _write(figure, 755, 725, READING_AID, 9.5, colour=GREY)
    _draw_footer(figure, screening)
    canvas.draw()  # type: ignore[no-untyped-call]
    return _png(canvas)


def _urgency(view: VertebraView) -> tuple[float, float]:
    """The model's logit, then low HU: the vertebra that most speaks for osteoporosis is shown large."""
    logit = float("-inf") if view.row.logit is None else view.row.logit
    return logit, -view.hu


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in pixels from the upper left corner, without ticks."""
    bottom = HEIGHT_PX - top - height
    place = (left / WIDTH_PX, bottom / HEIGHT_PX, width / WIDTH_PX, height / HEIGHT_PX)
    axes = figure.add_axes(place)
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def _write(
    figure: Figure,
    left: float,
    top: float,
    text: str,
    size: float,
    *,
    bold: bool = False,
    colour: str = INK,
    side: Literal["left", "center", "right"] = "left",
) -> None:
    """Text whose upper corner, or upper middle, is at a place in pixels."""
    written = figure.text(left / WIDTH_PX, 1 - top / HEIGHT_PX, text, fontsize=size, color=colour)
    written.set(va="top", ha=side, fontweight="bold" if bold else "normal", linespacing=1.35)


def _draw_heading(figure: Figure, screening: ScreeningRow, tier: Tier) -> None:
    _fill(figure, 25, 22, 285, 84, TIER_COLOURS[tier])
    for top, size, text in ((35, 11, "risk of osteoporosis"), (59, 22, TIER_WORDS[tier])):
        _write(figure, 25 + 285 / 2, top, text, size, bold=size > 20, colour="white", side="center")
    _write(figure, 335, 24, headline(screening), 14, bold=True)
    _write(figure, 335, 55, model_sentence(screening), 12)
    alone = f"By attenuation alone: {screening.attenuation_tier}. By the model alone: {screening.model_tier}."
    _write(figure, 335, 84, alone, 12, colour=GREY)


def _draw_warnings(figure: Figure, screening: ScreeningRow) -> None:
    """The doubts as sentences; that the weights are no clinical ones stands in the footer."""
    sentences = [doubt.sentence for doubt in own_doubts(screening.warnings)]
    _write(figure, 345, 556, "Warnings" if sentences else "No warnings", 11, bold=True)
    shown = sentences[:MOST_WARNINGS]
    if len(sentences) > MOST_WARNINGS:
        shown.append(f"And {len(sentences) - MOST_WARNINGS} more: see osteoscreen explain.")
    top = 582.0
    for sentence in shown:
        lines = textwrap.wrap(sentence, 52)
        _write(figure, 345, top, "•", 10)
        _write(figure, 358, top, "\n".join(lines), 10)
        top += 18.0 * len(lines) + 5


def _draw_footer(figure: Figure, screening: ScreeningRow) -> None:
    _write(figure, 25, 806, STRIP_AID, 8.5, colour=GREY)
    _fill(figure, 0, 840, WIDTH_PX, 60, "#EDEDED")
    _write(figure, 25, 851, NOT_RULED_OUT, 12, bold=True)
    made = f"osteoscreen {screening.pipeline_version} · {screening.model_name} {screening.model_version}"
    _write(figure, 25, 876, f"{made} · {label_words(screening.model_label)}", 9.5, colour=GREY)
    if screening.model_label == PHANTOM_REFERENCE:
        _write(figure, 1375, 858, "NOT FOR CLINICAL USE", 15, bold=True, side="right")


def _fill(figure: Figure, left: float, top: float, width: float, height: float, colour: str) -> None:
    """A filled rectangle at a place in pixels."""
    corner = (left / WIDTH_PX, 1 - (top + height) / HEIGHT_PX)
    figure.add_artist(Rectangle(corner, width / WIDTH_PX, height / HEIGHT_PX, facecolor=colour, lw=0))


def _png(canvas: FigureCanvasAgg) -> bytes:
    """The drawn canvas as a PNG of 64 shades a channel: a third smaller, and to an eye the same."""
    drawn = np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    shades = (drawn & 0xFC) | (drawn >> 6)  # the upper bits again below, so that white stays white
    out = io.BytesIO()
    Image.fromarray(shades).save(out, "PNG", compress_level=5, compress_type=zlib.Z_DEFAULT_STRATEGY)
    return out.getvalue()
