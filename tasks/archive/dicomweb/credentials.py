"""Who we are to a DICOMweb server: accounts and tokens; and the address that it is given by.

A secret stands in the environment or in a file that nobody else may read, and nowhere else: an address that
holds one is refused, and no message of this module shows a part of one.
"""

from __future__ import annotations

import base64
import os
import re
import stat
from collections.abc import Generator
from pathlib import Path

import httpx

from tasks.archive.tls import client_context
from tasks.outcomes import ConfigurationError
from tasks.settings import DicomWeb

# Bytes of a secret file: tokens of the kinds in use (JWT) have up to some thousand.
MAX_SECRET_BYTES = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


def base_address(address: str) -> httpx.URL:
    """The address of a DICOMweb service, without a slash at its end.

    Raises:
        ConfigurationError: when it is none, or holds more than a place.
    """
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.userinfo:
        raise ConfigurationError(
            "The archive's address holds a user or a password: leave them out, and set "
            "OSTEOSCREEN_DICOMWEB__USER and OSTEOSCREEN_DICOMWEB__PASSWORD."
        )
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ConfigurationError(
            "The archive's address is not that of a DICOMweb service: give it as https://host/dicom-web."
        )
    return url.copy_with(path=url.path.rstrip("/"))


class Account(httpx.Auth):
    """Puts our account, or our token, on every request.

    Raises:
        ConfigurationError: when both or half of them are set, or a secret cannot be used.
    """

    def __init__(self, settings: DicomWeb) -> None:
        secrets = (settings.password, settings.token, settings.secret_file)
        if sum(secret is not None for secret in secrets) > 1:
            raise ConfigurationError(
                "More than one secret is set for the DICOMweb archive: set one of dicomweb.password, "
                "dicomweb.token and dicomweb.secret_file."
            )
        if settings.token is not None and settings.user:
            raise ConfigurationError(
                "Both an account and a token are set for the DICOMweb archive: unset dicomweb.user or "
                "OSTEOSCREEN_DICOMWEB__TOKEN."
            )
        if settings.password is not None and not settings.user:
            raise ConfigurationError(
                "A password is set for the DICOMweb archive, but no user: set dicomweb.user."
            )
        self._settings = settings
        self._header()

    def __repr__(self) -> str:
        return "Account(withheld)"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """As httpx asks for it."""
        header = self._header()
        if header:
            request.headers["Authorization"] = header
        yield request

    def _header(self) -> str:
        settings = self._settings
        if settings.secret_file is not None:
            secret = read_secret(settings.secret_file)
        else:
            given = settings.password or settings.token
            secret = given.get_secret_value() if given else ""
        if settings.user:
            pair = f"{settings.user}:{secret}".encode()
            return f"Basic {base64.b64encode(pair).decode('ascii')}"
        if not secret:
            return ""
        if not _PRINTABLE.fullmatch(secret):
            raise ConfigurationError("The DICOMweb token holds a space or a character that no token has.")
        return f"Bearer {secret}"


def check(base: httpx.URL, settings: DicomWeb) -> None:
    """Make sure, before anything is asked, that accounts and certificates can be used.

    Raises:
        ConfigurationError: as `Account` and `client_context`.
    """
    Account(settings)
    if base.scheme == "https":
        client_context(settings)


def read_secret(path: Path) -> str:
    """The secret in a file, without white space around it.

    Raises:
        ConfigurationError: when it cannot be read, is empty, or may be read by others.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(MAX_SECRET_BYTES)
        secret = content.decode().strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError("The file of dicomweb.secret_file cannot be read as text.") from None
    if mode & _OTHERS:
        raise ConfigurationError(
            "The file of dicomweb.secret_file may be read by others: run chmod 600 on it."
        )
    if not secret:
        raise ConfigurationError("The file of dicomweb.secret_file is empty.")
    return secret
