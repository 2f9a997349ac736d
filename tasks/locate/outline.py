"""The outline of the vertebral body in front of a known canal: the ellipse with the best cortical edge.

Only the front and the sides are fitted: behind, pedicles join the body. An edge is bone rim against whatever
lies outside, lung, fat, aorta or muscle, so it shows in dense and in osteoporotic bone alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product

import numpy as np
import numpy.typing as npt

from tasks.locate.patches import FloatImage, seen_from

FloatArray = npt.NDArray[np.float64]

#: Normals of the ellipse at which edges are looked for, degrees from straight ahead.
NORMALS_DEG = np.arange(-105.0, 106.0, 15.0)
#: Half diameters of a body from T4 to L3 in adults, with margin: width 22 to 56 mm, depth 20 to 42 mm.
HALF_WIDTHS_MM = np.arange(11.0, 28.1, 1.5)
HALF_DEPTHS_MM = np.arange(10.0, 21.1, 1.5)
#: From the centre of the canal to the back of the body: half of its depth, and the ligament.
WALLS_MM = np.arange(5.0, 12.1, 1.5)
#: The body may lie this much to the side of the canal, from rotation of the vertebra by up to 15°.
SIDES_MM = np.arange(-6.0, 6.1, 1.5)
#: Bodies are as wide as deep (upper thorax) to 1.45 times as wide (lumbar); beyond that a fit is unlikely.
RATIO_LOW, RATIO_HIGH = 0.95, 1.45
RATIO_COST_HU = 150.0
#: The largest ellipse and its edge lie within twice this in front of the canal, and within this beside it.
REACH_MM = 40.0
#: The rim of a body is looked for this far within its outline, and what lies outside this far beyond.
RIM_MM, OUTSIDE_MM = 1.5, 2.5
#: Edges much stronger than this are hardly better: lung beside cortex must not outweigh fat beside cortex.
STRONG_EDGE_HU = 250.0


@dataclass(frozen=True, slots=True)
class Outline:
    """An ellipse about a vertebral body, relative to the centre of its canal.

    Attributes:
        side_mm: how far the centre lies to the patient's left of the canal.
        ahead_mm: how far the centre lies in front of the canal.
        half_width_mm, half_depth_mm: its half diameters.
        edge_hu: mean height of the edge along it; weak where there is no body.
    """

    side_mm: float
    ahead_mm: float
    half_width_mm: float
    half_depth_mm: float
    edge_hu: float


class OutlineFit:
    """All ellipses that are tried, laid over patches whose canal is at a known place."""

    def __init__(self, step_mm: float) -> None:
        self._step_mm = step_mm
        shapes = np.array(list(product(SIDES_MM, WALLS_MM, HALF_WIDTHS_MM, HALF_DEPTHS_MM)))
        self._side, wall, self._width, self._depth = shapes.T
        self._ahead = wall + self._depth
        angles = np.deg2rad(NORMALS_DEG)
        self._normals = np.stack([-np.cos(angles), np.sin(angles)], axis=1)
        reach = np.hypot(
            self._width[:, None] * self._normals[:, 1], self._depth[:, None] * self._normals[:, 0]
        )
        x_mm = self._side[:, None] + self._width[:, None] ** 2 * self._normals[:, 1] / reach
        y_mm = -self._ahead[:, None] + self._depth[:, None] ** 2 * self._normals[:, 0] / reach
        self._columns, self._rows = (np.ascontiguousarray(place.T) / step_mm for place in (x_mm, y_mm))
        ratio = self._width / self._depth
        excess = np.maximum(RATIO_LOW - ratio, 0.0) + np.maximum(ratio - RATIO_HIGH, 0.0)
        self._cost = RATIO_COST_HU * excess

    def score(self, patch: FloatImage, canal_row: float, canal_column: float) -> FloatArray:
        """Edge along every ellipse that is tried, HU, shape (ellipses,)."""
        reach = int(REACH_MM / self._step_mm)
        top, left = max(int(canal_row) - 2 * reach, 0), max(int(canal_column) - reach, 0)
        patch = patch[top : int(canal_row) + reach, left : int(canal_column) + reach]
        rows = np.rint(canal_row - top + self._rows).astype(np.intp)
        columns = np.rint(canal_column - left + self._columns).astype(np.intp)
        np.clip(rows, 0, patch.shape[0] - 1, out=rows)
        np.clip(columns, 0, patch.shape[1] - 1, out=columns)
        places = rows * patch.shape[1] + columns
        total = np.zeros(len(self._side))
        for place, edge in zip(places, _edges(patch, self._normals / self._step_mm), strict=True):
            total += edge.ravel()[place]
        scores: FloatArray = total / len(self._normals) - self._cost
        return scores

    def best(self, scores: FloatArray) -> Outline:
        """The ellipse with the highest of the given scores."""
        chosen = int(scores.argmax())
        return Outline(
            side_mm=float(self._side[chosen]),
            ahead_mm=float(self._ahead[chosen]),
            half_width_mm=float(self._width[chosen]),
            half_depth_mm=float(self._depth[chosen]),
            edge_hu=float(scores[chosen]),
        )


def _edges(patch: FloatImage, normals: FloatArray) -> Iterator[FloatImage]:
    """For every normal (rows, columns in 1 mm), how much brighter the rim is than what lies outside of it."""
    rims, outsides = _moved(patch, -RIM_MM * normals), _moved(patch, OUTSIDE_MM * normals)
    for rim, outside in zip(rims, outsides, strict=True):
        step = np.maximum(rim, patch) - np.maximum(outside, np.float32(-100.0))
        yield np.float32(STRONG_EDGE_HU) * np.tanh(step / np.float32(STRONG_EDGE_HU))


def _moved(patch: FloatImage, places: FloatArray) -> Iterator[FloatImage]:
    """What all points of a patch see so many rows and columns away; its edge goes on for ever."""
    whole = np.floor(places)
    corners = whole[:, None, :] + np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    seen = seen_from(patch, corners.reshape(-1, 2).astype(np.intp), "edge")
    for below, aside in (places - whole).tolist():
        a, b, c, d = islice(seen, 4)
        moved = (1 - below) * ((1 - aside) * a + aside * b) + below * ((1 - aside) * c + aside * d)
        yield np.asarray(moved, dtype=np.float32)
