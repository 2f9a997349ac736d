"""Dates as headers write them (PS3.5, value representation DA), read in one way wherever one is needed."""

from __future__ import annotations

import re
from datetime import date

_EIGHT_DIGITS = re.compile(r"[0-9]{8}")


def calendar_day(text: str) -> date | None:
    """The day of a date: YYYYMMDD, the ACR-NEMA form YYYY.MM.DD, or with dashes; None when it is none."""
    digits = text.replace("-", "").replace(".", "").strip()
    if not _EIGHT_DIGITS.fullmatch(digits):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
