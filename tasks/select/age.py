"""The patient's age at the time of the study, in years, or None when it cannot be told."""

from __future__ import annotations

import re

from tasks.dicom.dates import calendar_day

_AGE_STRING = re.compile(r"^\s*(\d{1,3})\s*([YMWD])\s*$")
_PER_YEAR = {"Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}
# The oldest verified human age is 122 years; more is a placeholder (birth dates of 1900, ages of 999).
OLDEST_YEARS = 122.0


def age_years(age_text: str, birth_date: str, study_date: str) -> float | None:
    """Age from PatientAge (`058Y`, `018M`), else from the dates.

    Zero is what de-identification writes (`000Y`, or a birth date that is the study date) and means unknown,
    and so does an age that nobody reaches.
    """
    return _from_text(age_text) or _from_dates(birth_date, study_date)


def _from_text(age_text: str) -> float | None:
    match = _AGE_STRING.match(age_text.upper())
    if match is None:
        return None
    return _plausible(int(match[1]) / _PER_YEAR[match[2]])


def _from_dates(birth_date: str, study_date: str) -> float | None:
    born, studied = calendar_day(birth_date), calendar_day(study_date)
    if born is None or studied is None:
        return None
    return _plausible((studied - born).days / _PER_YEAR["D"])


def _plausible(years: float) -> float | None:
    return years if 0 < years <= OLDEST_YEARS else None
