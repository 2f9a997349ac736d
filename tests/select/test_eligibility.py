"""The list of patients whose osteoporosis is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.dicom.instance import Identity
from tasks.outcomes import ConfigurationError
from tasks.select.eligibility import is_known, read_known_patients


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("patient_id\nP-1\n P-2 \n\n", {("P-1", ""), ("P-2", "")}),
        ("\ufeffpatient_id,issuer\r\nP-1,HOSPITAL\r\n,HOSPITAL\r\n", {("P-1", "HOSPITAL")}),
        ("since,patient_id\n2019,P-1\n", {("P-1", "")}),
        ("patient_id\n", set()),
    ],
)
def test_a_file_of_known_patients_is_read(tmp_path: Path, text: str, expected: set[tuple[str, str]]) -> None:
    path = tmp_path / "known.csv"
    path.write_text(text, encoding="utf-8")
    assert read_known_patients(path) == expected


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b"P-1\nP-2\n"])
def test_a_file_that_is_no_such_list_is_refused_without_naming_anyone(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "known.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="known_osteoporosis") as error:
        read_known_patients(path)
    assert "P-1" not in str(error.value)


def test_patients_are_known_under_their_issuer_or_under_any() -> None:
    assert is_known(Identity("P-1", "HOSPITAL"), {("P-1", "")})
    assert is_known(Identity("P-1", "HOSPITAL"), {("P-1", "HOSPITAL")})
    assert not is_known(Identity("P-1", "ELSEWHERE"), {("P-1", "HOSPITAL")})
    assert not is_known(Identity("P-2"), {("P-1", "")})
    assert not is_known(Identity(""), {("", "")})
