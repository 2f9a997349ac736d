"""The panels of the picture, each drawn into its own axes: spine from the side, HU by level, crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, Rectangle
from matplotlib.patheffects import withStroke
from scipy.ndimage import zoom

from tasks.explain.strip import SagittalStrip
from tasks.explain.words import TIER_WORDS, level_words
from tasks.measure.trabecular import Trabecular
from tasks.schema import Tier, VertebraRow

BONE_WINDOW_HU = (-120.0, 420.0)  # muscle dark grey, trabecular bone lighter, cortex white
HALF_CROP_MM = 70.0  # the model's crop is 140 mm
STRONGEST_ALPHA = 0.6  # the heatmap never hides the anatomy under it
WEAKEST_SHOWN = 0.15  # of the strongest; below it a heatmap is haze
LEAST_SCALE_LOGIT = (
    1.0  # a heatmap's mean is what it adds to the logit; weaker ones are not blown up to look strong
)
STRIP_BELOW_MM, STRIP_ABOVE_MM = 45.0, 110.0  # what is shown of the spine beyond the measured levels

# After Okabe and Ito 2008: told apart with any colour vision; markers and words say the same once more.
TIER_COLOURS = {Tier.HIGH: "#C44500", Tier.INTERMEDIATE: "#B87800", Tier.LOW: "#00755A"}
_BANDS = {Tier.HIGH: "#F2BFA0", Tier.INTERMEDIATE: "#FAE8B8", Tier.LOW: "#CFEBE1"}
_OUTLINE = withStroke(linewidth=3, foreground="black")
_MARKERS = {Tier.HIGH: "v", Tier.INTERMEDIATE: "D", Tier.LOW: "o"}
INK, GREY = "#1A1A1A", "#5A5A5A"


@dataclass(frozen=True, slots=True)
class VertebraView:
    """What there is to show of one vertebra.

    Attributes:
        row: what was measured, with the tier and the cut-offs of its level.
        crop: what the model saw, HU, shape (224, 224), centred on the body.
        heatmap: what raised (above 0) or lowered the logit, shape (7, 7); None when the model was not asked.
        region: where the trabecular bone was measured.
    """

    row: VertebraRow
    crop: npt.NDArray[np.int16]
    heatmap: npt.NDArray[np.float32] | None
    region: Trabecular

    @property
    def hu(self) -> float:
        """The HU that was compared with cut-offs."""
        at_120 = self.row.trabecular_hu_120kvp
        return self.region.hu if at_120 is None else at_120

    @property
    def tier(self) -> Tier:
        """The tier of this vertebra alone."""
        return Tier(self.row.attenuation_tier or Tier.LOW)


def draw_strip(axes: Axes, vertebrae: Sequence[VertebraView], strip: SagittalStrip | None) -> None:
    """The spine from the side, with a mark and a name at each measured level."""
    axes.set_title("The spine from the side", loc="left", fontsize=11, color=INK)
    axes.set_facecolor("black")
    axes.set_anchor("NW")
    lowest, highest = (pick(view.row.z_mm for view in vertebrae) for pick in (min, max))
    if strip is None:
        axes.text(0.5, 0.5, "not drawn", transform=axes.transAxes, color="white", ha="center")
        return
    axes.imshow(
        strip.hu,
        cmap="gray",
        vmin=BONE_WINDOW_HU[0],
        vmax=BONE_WINDOW_HU[1],
        extent=(strip.front_mm, strip.back_mm, strip.bottom_mm, strip.top_mm),
        interpolation="bilinear",
    )
    bottom = max(strip.bottom_mm, lowest - STRIP_BELOW_MM)
    top = min(strip.top_mm, highest + STRIP_ABOVE_MM)
    axes.set_ylim(bottom, top)
    for view in vertebrae:
        _mark(axes, view.tier, view.region.y_mm, view.row.z_mm, 10)
        name = axes.text(strip.front_mm + 4, view.row.z_mm, level_words(view.row), va="center", color="white")
        name.set(fontsize=13, fontweight="bold", path_effects=[_OUTLINE])
    seen = [z for z in strip.read_z_mm if bottom <= z <= top]
    axes.hlines(seen, strip.back_mm - 3, strip.back_mm, color="#9AD0F5", lw=0.7)
    axes.set_xlim(strip.front_mm, strip.back_mm)


def draw_attenuation(axes: Axes, vertebrae: Sequence[VertebraView]) -> None:
    """One row a level, highest on top as in the body: its HU on the bands of its own cut-offs."""
    low = min(0.0, *(view.hu - 25 for view in vertebrae))
    high = max(250.0, *(view.hu + 70 for view in vertebrae))
    for place, view in enumerate(vertebrae):
        _draw_level(axes, place, view, low, high)
    axes.set_title("Bone attenuation by level", loc="left", fontsize=11, color=INK)
    above = len(vertebrae) - 0.52
    middle = _cutoffs(vertebrae[-1].row)
    for tier, x, side in zip(_BANDS, (low, sum(middle) / 2, high), ("left", "center", "right"), strict=True):
        name = axes.text(x, above, TIER_WORDS[tier].lower(), ha=side, va="bottom", color=TIER_COLOURS[tier])
        name.set(fontsize=10, fontweight="bold")
    axes.set_xlim(low, high)
    axes.set_ylim(-0.55, len(vertebrae) - 0.15)
    axes.set_yticks(range(len(vertebrae)), [level_words(view.row) for view in vertebrae], fontsize=13)
    converted = all(view.row.trabecular_hu_120kvp is not None for view in vertebrae)
    scale = "at 120 kVp" if converted else "as scanned"
    axes.set_xlabel(f"trabecular bone, HU {scale}; less is weaker bone", fontsize=10, color=INK)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_level(axes: Axes, place: int, view: VertebraView, low: float, high: float) -> None:
    """One level: the bands between its cut-offs, and its HU."""
    cutoffs = _cutoffs(view.row)
    edges = (low, *cutoffs, high)
    for colour, (left, right) in zip(_BANDS.values(), pairwise(edges), strict=True):
        axes.add_patch(Rectangle((left, place - 0.4), right - left, 0.8, color=colour, lw=0))
    for cutoff in cutoffs:
        axes.text(cutoff, place - 0.38, f"{cutoff:.0f} ", ha="right", va="bottom", fontsize=8.5, color=GREY)
    _mark(axes, view.tier, view.hu, place, 14)
    value = axes.annotate(f"{view.hu:.0f}", (view.hu, place), xytext=(11, 0), textcoords="offset points")
    value.set(va="center", fontsize=13, fontweight="bold", color=INK)


def _mark(axes: Axes, tier: Tier, x: float, y: float, size: float) -> None:
    """The sign of a tier: its shape and its colour."""
    axes.plot(x, y, _MARKERS[tier], markersize=size, color=TIER_COLOURS[tier], mec="white", mew=1.3)


def _cutoffs(row: VertebraRow) -> tuple[float, float]:
    """The level's two cut-offs.

    Raises:
        ValueError: when the row has none.
    """
    if row.high_cutoff_hu is None or row.intermediate_cutoff_hu is None:
        raise ValueError("a vertebra without cut-offs cannot be shown")
    return row.high_cutoff_hu, row.intermediate_cutoff_hu


def draw_measured(axes: Axes, view: VertebraView) -> None:
    """The crop with the region in which the bone was measured."""
    _draw_crop(axes, view)
    _draw_region(axes, view, 1.8)
    axes.set_title(
        f"{level_words(view.row)}: bone measured inside the ring", loc="left", fontsize=11, color=INK
    )
    axes.text(
        -HALF_CROP_MM + 4,
        HALF_CROP_MM - 4,
        f"{view.hu:.0f} HU",
        color="white",
        fontsize=13,
        fontweight="bold",
    )
    axes.plot([HALF_CROP_MM - 26, HALF_CROP_MM - 6], [HALF_CROP_MM - 5] * 2, color="white", lw=2)
    axes.text(HALF_CROP_MM - 16, HALF_CROP_MM - 8, "2 cm", color="white", fontsize=8.5, ha="center")


def draw_model(axes: Axes, view: VertebraView, strongest: float) -> None:
    """The same crop with what raised the model's score, on a scale that all vertebrae of the study share."""
    _draw_crop(axes, view)
    _draw_heatmap(axes, view, strongest)
    axes.set_title(
        f"{level_words(view.row)}: what raised the model's score", loc="left", fontsize=11, color=INK
    )
    if strongest < LEAST_SCALE_LOGIT:
        axes.text(0, HALF_CROP_MM - 6, "nothing raised it much", color="white", fontsize=11, ha="center")


def draw_small(axes: Axes, view: VertebraView, strongest: float) -> None:
    """Another vertebra, ring and heatmap in one."""
    _draw_crop(axes, view)
    _draw_heatmap(axes, view, strongest)
    _draw_region(axes, view, 1.0)
    axes.set_title(f"{level_words(view.row)}  {view.hu:.0f} HU", loc="left", fontsize=10, color=INK)


def _draw_crop(axes: Axes, view: VertebraView) -> None:
    edge = HALF_CROP_MM
    axes.imshow(
        view.crop,
        cmap="gray",
        vmin=BONE_WINDOW_HU[0],
        vmax=BONE_WINDOW_HU[1],
        extent=(-edge, edge, edge, -edge),
        interpolation="bilinear",
    )
    axes.set_axis_off()


def _draw_region(axes: Axes, view: VertebraView, width: float) -> None:
    centre = (view.region.x_mm - view.row.x_mm, view.region.y_mm - view.row.y_mm)
    size = (2 * view.region.radius_x_mm, 2 * view.region.radius_y_mm)
    axes.add_patch(Ellipse(centre, *size, fill=False, edgecolor="#FFD84D", lw=width))


def _draw_heatmap(axes: Axes, view: VertebraView, strongest: float) -> None:
    """Lay what raised the logit over the crop; `strongest` is where the scale ends."""
    if view.heatmap is None:
        return
    size = view.crop.shape[0]
    fine = zoom(view.heatmap, size / view.heatmap.shape[0], order=3, mode="nearest", grid_mode=True)
    share = np.clip(fine / max(strongest, LEAST_SCALE_LOGIT), 0.0, 1.0)
    colours = colormaps["inferno"](0.25 + 0.75 * share)
    colours[..., 3] = (
        STRONGEST_ALPHA * np.clip((share - WEAKEST_SHOWN) / (1 - WEAKEST_SHOWN), 0.0, 1.0) ** 0.7
    )
    edge = HALF_CROP_MM
    axes.imshow(colours, extent=(-edge, edge, edge, -edge), interpolation="bilinear")
