"""An authority, and certificates that it signed, for tests of TLS."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.archive.orthanc import LOOPBACK

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


@dataclass(frozen=True)
class Papers:
    """PEM files of an authority, of a server on the loopback, and of a client; keys have mode 600."""

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


def papers_in(folder: Path) -> Papers:
    """An authority, and two certificates that it signed."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, authority_key = folder / "authority.pem", folder / "authority.key"
    subject = ("-subj", "/CN=authority")
    _openssl("req", "-x509", *NEW_KEY, *subject, "-keyout", authority_key, "-out", authority)
    files = []
    for name in ("server", "client"):
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        _openssl(
            *("req", "-x509", *NEW_KEY, "-subj", f"/CN={name}"),
            *("-CA", authority, "-CAkey", authority_key, "-addext", f"subjectAltName=IP:{LOOPBACK}"),
            *("-addext", "basicConstraints=CA:FALSE", "-keyout", key, "-out", certificate),
        )
        key.chmod(0o600)
        files += [certificate, key]
    return Papers(authority, *files)


def _openssl(*arguments: str | Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed: run infra/debian/install.sh tests")
    subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, timeout=60)
