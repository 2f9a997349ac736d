"""The list of patients whose osteoporosis is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.dicom.instance import Identity
from tasks.outcomes import ConfigurationError
from tasks.select.eligibility import is_known, read_known_patients


def test_a_file_of_known_patients_is_read(tmp_path: Path) -> None:
    path = tmp_path / "known.txt"
    path.write_text("# from the register\nP-1\n\n  P-2 \n")
    assert read_known_patients(path) == {"P-1", "P-2"}


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "known.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="known_osteoporosis") as error:
        read_known_patients(path)
    assert str(tmp_path) not in str(error.value)


def test_patients_are_known_by_list_or_by_asking() -> None:
    assert is_known(Identity("P-1"), {"P-1"})
    assert not is_known(Identity("P-2"), {"P-1"})
    assert not is_known(Identity(""), {""})
    assert is_known(Identity("P-9", "HOSPITAL"), lambda identity: identity.issuer == "HOSPITAL")
