"""Addresses of DIMSE peers: what one says, and what is refused, with what to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.archive.dimse.address import DICOM_PORT, DICOM_TLS_PORT, Address
from tasks.outcomes import ConfigurationError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dimse://PACS@archive:11112", Address("PACS", "archive", 11112)),
        ("dimse://PACS@archive", Address("PACS", "archive", DICOM_PORT)),
        ("dimse://PACS@archive/", Address("PACS", "archive", DICOM_PORT)),
        ("dimse://PACS@archive?tls=yes", Address("PACS", "archive", DICOM_TLS_PORT, tls=True)),
        ("dimse://PACS@10.0.0.1:104?calling=NIGHT&tls=0", Address("PACS", "10.0.0.1", 104, "NIGHT")),
        ("dimse://MY%20PACS@archive?calling=", Address("MY PACS", "archive", DICOM_PORT)),
        ("dimse://PACS@[::1]:104?tls=TRUE", Address("PACS", "::1", 104, tls=True)),
    ],
)
def test_an_address_says_whom_to_call_and_where(text: str, expected: Address) -> None:
    assert Address.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "dimse://archive:104",
        "dimse://@archive:104",
        "dimse://PACS@:104",
        "dimse://PACS@archive:port",
        "dimse://PACS@archive:99999",
        "dimse://PACS:secret@archive",
        "dimse://PACS@archive/path",
        "dimse://PACS@archive?tls=perhaps",
        "dimse://PACS@archive?speed=9",
        "dimse://A-TITLE-OF-MORE-THAN-16@archive",
        "dimse://PACS@archive?calling=BACK%5CSLASH",
        "https://PACS@archive",
    ],
)
def test_what_is_no_address_is_refused_with_the_form_of_one(text: str) -> None:
    with pytest.raises(ConfigurationError, match="dimse://CALLED-AE@host:port"):
        Address.parse(text)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_is_refused(rest: str) -> None:
    try:
        address = Address.parse(f"dimse://{rest}")
    except ConfigurationError:
        return
    assert 0 <= address.port < 65536
    assert 0 < len(address.called) <= 16


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Address.parse("dimse://PACS:hunter2@archive")
    assert "hunter2" not in str(caught.value)
