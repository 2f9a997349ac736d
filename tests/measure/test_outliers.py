"""Vertebrae that are too bright to be believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.measure.outliers import too_bright


@pytest.mark.parametrize(
    ("hu", "passed_over"),
    [
        ([100.0, 104.0, 98.0, 110.0], set()),
        ([60.0, 178.0, 66.0, 70.0], {1}),
        ([60.0, 178.0, 190.0, 62.0, 66.0], {1, 2}),
        ([253.0, 295.0, 319.0, 328.0], set()),  # attenuation rises towards the head, and that is no fracture
        ([60.0, 178.0], set()),  # which of two is wrong cannot be told
        ([178.0, 60.0, 62.0], {0}),
        ([], set()),
    ],
)
def test_a_compacted_body_among_sound_ones_is_passed_over(hu: list[float], passed_over: set[int]) -> None:
    assert too_bright(hu, 44.0, 2) == passed_over


@given(st.lists(st.floats(-50, 500), max_size=8), st.floats(0, 200), st.integers(1, 4))
def test_never_the_darkest_and_never_too_many(hu: list[float], limit: float, least: int) -> None:
    out = too_bright(hu, limit, least)
    assert len(hu) - len(out) >= min(len(hu), least)
    if out:
        assert min(hu[index] for index in out) >= max(hu[i] for i in range(len(hu)) if i not in out)
