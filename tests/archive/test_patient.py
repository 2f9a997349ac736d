"""Patient keys: the same person the same key, strangers never, and nobody without the secret can tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tasks.archive.patient import load_secret, patient_key
from tasks.dicom.instance import Identity
from tasks.outcomes import ConfigurationError

SECRET = b"s" * 32


def test_a_patient_has_one_key_in_all_studies() -> None:
    one = patient_key(Identity("P-1", "HOSPITAL", name="A", accession_number="1"), SECRET, "1.2.3")
    other = patient_key(Identity(" P-1 ", "HOSPITAL", name="B"), SECRET, "1.2.4")
    assert one == other
    assert len(one) == 32
    assert set(one) <= set("0123456789abcdef")


def test_without_a_patient_id_every_study_has_its_own_key() -> None:
    keys = {
        patient_key(Identity(patient_id), SECRET, uid) for patient_id in ("", " ") for uid in ("1.2", "1.3")
    }
    assert len(keys) == 2


def test_a_patient_id_that_is_a_study_uid_is_not_that_study() -> None:
    assert patient_key(Identity("1.2"), SECRET, "1.2") != patient_key(Identity(""), SECRET, "1.2")


def test_another_secret_gives_another_key() -> None:
    assert patient_key(Identity("P-1"), SECRET, "1") != patient_key(Identity("P-1"), b"t" * 32, "1")


identities = st.tuples(st.text(max_size=6), st.text(min_size=1, max_size=6)).map(
    lambda pair: (pair[0].strip(), pair[1].strip())
)


@given(identities, identities)
def test_different_identities_have_different_keys(one: tuple[str, str], other: tuple[str, str]) -> None:
    keys = [patient_key(Identity(patient_id, issuer), SECRET, "1.2") for issuer, patient_id in (one, other)]
    if all(patient_id for _, patient_id in (one, other)):
        assert (keys[0] == keys[1]) == (one == other)


def test_the_secret_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first = load_secret(tmp_path / "identities")
    path = tmp_path / "identities/patient_key"
    assert len(first) >= 32
    assert load_secret(tmp_path / "identities") == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["patient_key"]
    assert load_secret(tmp_path / "other") != first


def test_the_secret_of_the_settings_comes_first(tmp_path: Path) -> None:
    assert load_secret(tmp_path / "identities", SecretStr("of the site")) == b"of the site"
    assert not (tmp_path / "identities").exists()


def test_a_secret_that_was_cut_short_is_not_replaced(tmp_path: Path) -> None:
    load_secret(tmp_path)
    (tmp_path / "patient_key").write_bytes(b"cut")
    with pytest.raises(ConfigurationError, match="restore it"):
        load_secret(tmp_path)


def test_a_secret_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "identities").write_text("a file, not a folder")
    with pytest.raises(ConfigurationError, match="OSTEOSCREEN_PATIENT_KEY_SECRET"):
        load_secret(tmp_path / "identities")
