"""A spine of known shape to explain: bright bodies of known HU along a canal, in 60 slices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tasks.explain.panels import VertebraView
from tasks.infer.manifest import Calibration
from tasks.locate.anatomy import Column
from tasks.measure.trabecular import Trabecular
from tasks.outcomes import Warn
from tasks.schema import ScreeningRow
from tasks.score.study import PHANTOM_REFERENCE, Measured, score_study
from tasks.settings import Scoring
from tasks.volume.geometry import Geometry, HuImage
from tests.rows import scored, vertebra

SLICES, SPACING_MM, SIDE, PIXEL_MM = 60, 2.5, 128, 1.5


class BandedStack:
    """Slices whose HU is ten times their index everywhere, and a record of which were asked for."""

    def __init__(self) -> None:
        z_mm = tuple(SPACING_MM * index for index in range(SLICES))
        self.geometry = Geometry(SIDE, SIDE, PIXEL_MM, z_mm, SPACING_MM, (-96.0, -96.0))
        self.asked: set[int] = set()

    def want(self, _indices: Iterable[int]) -> None:
        """Drawn slices are at hand."""

    def hu(self, index: int) -> HuImage:
        self.asked.add(index)
        return np.full((SIDE, SIDE), 10 * index, np.int16)


def column() -> Column:
    """A straight spine at x = 0, y = 20."""
    ends = (0.0, SPACING_MM * (SLICES - 1))
    return Column(ends, ((0.0, 45.0),) * 2, ((0.0, 20.0),) * 2, (20.0, 20.0))


def scene(
    hu: Sequence[float],
    logits: Sequence[float],
    warnings: Sequence[Warn] = (),
    label: str = PHANTOM_REFERENCE,
) -> tuple[ScreeningRow, list[VertebraView]]:
    """A scored study with vertebrae of these HU, from L1 up, and what there is to show of them."""
    levels = ("L1", "T12", "T11", "T10")[: len(hu)]
    measured = [
        Measured(level, 0.9, value, value, logit)
        for level, value, logit in zip(levels, hu, logits, strict=True)
    ]
    score = score_study(measured, Calibration(), Scoring(), label, warnings)
    row = scored(
        **{name: getattr(score, name) for name in score.__slots__ if name not in ("vertebrae",)},
        model_label=label,
    )
    views = []
    for position, (item, result) in enumerate(zip(measured, score.vertebrae, strict=True)):
        z_mm = 20.0 + 28.0 * position
        views.append(
            VertebraView(
                row=vertebra(
                    position=position,
                    level=item.level,
                    x_mm=0.0,
                    y_mm=20.0,
                    z_mm=z_mm,
                    trabecular_hu=item.trabecular_hu,
                    trabecular_hu_120kvp=item.trabecular_hu,
                    high_cutoff_hu=result.cutoff.high_hu,
                    intermediate_cutoff_hu=result.cutoff.intermediate_hu,
                    attenuation_tier=result.tier,
                    logit=item.logit,
                ),
                crop=np.full((224, 224), round(item.trabecular_hu), np.int16),
                heatmap=np.full((7, 7), item.logit, np.float32),
                region=Trabecular(item.trabecular_hu, 20.0, 150.0, 0.0, 18.0, z_mm, 7.0, 7.0),
            )
        )
    return row, views
