"""Ages from an age string, else from dates, else none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.select.age import OLDEST_YEARS, age_years


@pytest.mark.parametrize(
    ("text", "born", "studied", "years"),
    [
        ("058Y", "", "", 58),
        ("58Y", "", "", 58),
        (" 058y ", "", "", 58),
        ("018M", "", "", 1.5),
        ("026W", "", "", 0.498),
        ("010D", "", "", 0.0274),
        ("058Y", "19800101", "20240101", 58),
        ("000Y", "19540315", "20240315", 70),
        ("", "19540315", "20240315", 70),
        ("", "1954-03-15", "2024-03-15", 70),
        ("058", "19540315", "20240315", 70),
    ],
)
def test_age_is_read(text: str, born: str, studied: str, years: float) -> None:
    assert age_years(text, born, studied) == pytest.approx(years, abs=0.01)


@pytest.mark.parametrize(
    ("text", "born", "studied"),
    [
        ("", "", ""),
        ("000Y", "", ""),
        ("0Y", "20160722", "20160722"),
        ("999Y", "", ""),
        ("058", "", ""),
        ("middle", "", ""),
        ("", "19000101", "20240101"),
        ("", "20250101", "20240101"),
        ("", "19541332", "20240101"),
        ("", "1954", "20240101"),
        ("", "19540101", ""),
    ],
)
def test_age_is_unknown(text: str, born: str, studied: str) -> None:
    assert age_years(text, born, studied) is None


@given(st.text(max_size=8), st.text(max_size=10), st.text(max_size=10))
def test_whatever_the_header_holds_an_age_is_human_or_none(text: str, born: str, studied: str) -> None:
    age = age_years(text, born, studied)
    assert age is None or 0 < age <= OLDEST_YEARS
