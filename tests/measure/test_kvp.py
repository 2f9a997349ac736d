from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.measure.kvp import to_120_kvp
from tasks.outcomes import Warn
from tasks.settings import TubeVoltage

TABLE = TubeVoltage()


@pytest.mark.parametrize(
    ("kvp", "converted"),
    [
        (120.0, 140.9),
        (100.0, 140.9 * 140.9 / 148.1),
        (140.0, 140.9 * 140.9 / 131.3),
        (110.0, 140.9 * 140.9 / 144.5),
        (130.0, 140.9 * 140.9 / 136.1),
    ],
)
def test_within_the_table_the_ratio_of_the_means(kvp: float, converted: float) -> None:
    hu, warnings = to_120_kvp(140.9, kvp, TABLE)
    assert hu == pytest.approx(converted)
    assert warnings == ()


@pytest.mark.parametrize("kvp", [70.0, 80.0, 90.0, 150.0])
def test_beyond_the_table_the_conversion_is_warned_of(kvp: float) -> None:
    converted, warnings = to_120_kvp(100.0, kvp, TABLE)
    assert converted is not None
    assert (converted < 100.0) == (kvp < 120.0)
    assert warnings == (Warn.KVP_EXTRAPOLATED,)


@pytest.mark.parametrize("kvp", [None, 0.0, 12.0, 1200.0, float("nan")])
def test_an_unknown_voltage_is_not_converted(kvp: float | None) -> None:
    assert to_120_kvp(100.0, kvp, TABLE) == (None, (Warn.KVP_UNKNOWN,))


@given(hu=st.floats(-100, 600), low=st.floats(70, 150), high=st.floats(70, 150))
def test_the_higher_the_voltage_the_higher_the_equivalent(hu: float, low: float, high: float) -> None:
    low, high = sorted((low, high))
    at_low, at_high = to_120_kvp(abs(hu), low, TABLE)[0], to_120_kvp(abs(hu), high, TABLE)[0]
    assert at_low is not None and at_high is not None
    assert at_low <= at_high + 1e-9
