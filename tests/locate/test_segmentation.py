from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.locate.endplates import find_disc
from tasks.locate.profiles import Profiles
from tasks.locate.segmentation import WEIGHT, segment, template


def _profiles(discs: list[int], planes: int, noise: float, seed: int = 0) -> Profiles:
    random = np.random.default_rng(seed)

    def drawn(cue: str, level: float, swing: float) -> np.ndarray:
        line = np.zeros(planes)
        for lower, upper in pairwise(discs):
            shape = template(cue, upper - lower)
            first, last = max(lower, 0), min(upper, planes)
            line[first:last] = shape[first - lower : last - lower]
        return level + swing * (line + random.normal(0.0, noise, planes))

    pedicle = drawn("pedicle", 150.0, 80.0)
    return Profiles(
        pedicle,
        pedicle.copy(),
        drawn("waist", 60.0, 60.0),
        drawn("endplate", 0.0, 0.5),
        np.full(planes, 150.0),
    )


def test_weights_sum_to_one() -> None:
    assert sum(WEIGHT.values()) == pytest.approx(1.0)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(-1, 1), min_size=6, max_size=6), st.integers(20, 32), st.integers(-12, 6))
def test_a_drawn_train_is_found(changes: list[int], first_mm: int, start: int) -> None:
    lengths = first_mm + np.cumsum(changes)
    discs = [start, *(start + np.cumsum(lengths)).tolist()]
    found = segment(_profiles(discs, discs[-1] - 4, noise=0.2))
    inner = [disc for disc in discs if 8 <= disc < discs[-1] - 12]
    for disc in inner:
        assert min(abs(disc - place) for place in found.train.discs) <= 2
    assert found.margin > 0.4


def test_noise_has_no_phase() -> None:
    random = np.random.default_rng(3)
    lines = [random.normal(0.0, 10.0, 160) for _ in range(4)]
    found = segment(Profiles(lines[0], lines[1], lines[2], 0.01 * lines[3], lines[0]))
    assert found.margin < 0.2


@pytest.mark.parametrize(("gap", "expected"), [(3.0, 40.0), (5.0, 42.5), (8.0, 38.0)])
def test_the_pair_of_endplates_about_a_disc(gap: float, expected: float) -> None:
    planes = np.arange(80.0)
    endplate = sum(np.exp(-0.5 * ((planes - place) / 1.2) ** 2) for place in (40.0 - gap / 2, 40.0 + gap / 2))
    disc = find_disc(np.asarray(endplate), expected, 26.0)
    assert disc.lower == pytest.approx(40.0 - gap / 2, abs=1.1)
    assert disc.upper == pytest.approx(40.0 + gap / 2, abs=1.1)
    assert disc.seen > 0.6
