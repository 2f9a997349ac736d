"""Dates of headers: what is a day, and what is none."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.dicom.dates import calendar_day


@pytest.mark.parametrize("text", ["20240229", "2024.02.29", "2024-02-29", " 20240229 "])
def test_a_day_is_read_however_it_is_written(text: str) -> None:
    assert calendar_day(text) == date(2024, 2, 29)


@pytest.mark.parametrize(
    "text", ["", "2024", "20230229", "00000101", "2024W011", "20240101-20240131", "٢٠٢٤٠١٠١"]
)
def test_what_is_no_day_is_none(text: str) -> None:
    assert calendar_day(text) is None


@given(st.dates())
def test_every_day_is_read_as_itself(day: date) -> None:
    assert calendar_day(day.strftime("%Y%m%d").zfill(8)) == day
