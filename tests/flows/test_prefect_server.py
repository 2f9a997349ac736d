"""Where runs can be looked at; that the server itself comes and goes is tested with whole nights."""

from __future__ import annotations

import pytest

from flows.prefect_server import page_of


@pytest.mark.parametrize(
    ("api", "page"),
    [
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200"),
        ("https://prefect.example/api/", "https://prefect.example"),
        ("https://night:no-one-knows@prefect.example:8443/base/api", "https://prefect.example:8443/base"),
    ],
)
def test_the_page_of_a_server_is_named_without_an_account(api: str, page: str) -> None:
    assert page_of(api) == page
