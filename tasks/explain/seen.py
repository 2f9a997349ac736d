"""`Seen`: what the model saw of a study and where bone was measured: all that its picture is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.explain.panels import VertebraView
from tasks.explain.picture import draw_explanation
from tasks.explain.strip import SagittalStrip
from tasks.infer.crop import CROP_PIXELS
from tasks.measure.trabecular import Trabecular
from tasks.schema import ScreeningRow, VertebraRow

Crops = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One study without its slices.

    Attributes:
        crops: what the model saw, int16 HU, shape (n, 224, 224), one of each vertebra from the lowest up.
        regions: where the trabecular bone of each was measured.
        strip: the spine from the side; None when too few slices were read.

    Raises:
        ValueError: when crops and regions are not of the same vertebrae.
    """

    crops: Crops
    regions: tuple[Trabecular, ...]
    strip: SagittalStrip | None = None

    def __post_init__(self) -> None:
        expected = (len(self.regions), CROP_PIXELS, CROP_PIXELS)
        if self.crops.dtype != np.int16 or self.crops.shape != expected:
            raise ValueError(f"crops are int16 {expected}, not {self.crops.dtype} {self.crops.shape}")


def draw_seen(
    screening: ScreeningRow,
    vertebrae: Sequence[VertebraRow],
    seen: Seen,
    heatmaps: Sequence[npt.NDArray[np.float32]] | npt.NDArray[np.float32],
) -> bytes:
    """The picture of a scored study (see `draw_explanation`), from the very rows that are published.

    Raises:
        ValueError: when rows, crops and heatmaps are not of the same vertebrae.
    """
    views = [
        VertebraView(row, crop, heatmap, region)
        for row, crop, heatmap, region in zip(vertebrae, seen.crops, heatmaps, seen.regions, strict=True)
    ]
    return draw_explanation(screening, views, seen.strip)
