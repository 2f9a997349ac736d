"""A real Orthanc for tests: DICOMweb and DIMSE on free ports of the loopback, in a folder of its own.

    with running_orthanc(tmp_path) as orthanc:
        orthanc.store(files)
        ... orthanc.dicom_web, orthanc.aet, orthanc.dicom_port ...

`tests/archive/conftest.py` has fixtures. Where Orthanc is not installed the test skips, saying what to run.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import httpx
import pytest

LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 60.0
# Another process may take a port between our looking for it and Orthanc's listening on it.
START_TRIES = 3
# Images of one STOW-RS request: enough that a request costs little, few enough to hold in memory.
STORE_TOGETHER = 25
# Debian's path first, then that of Orthanc's own packages.
PLUGINS = (
    Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"),
    Path("/usr/local/share/orthanc/plugins/libOrthancDicomWeb.so"),
)
INSTALL = "Orthanc is not installed: run infra/debian/install.sh tests"


@dataclass
class Orthanc:
    """A running server.

    Attributes:
        folder: its storage, index and log.
        aet: its application entity title.
        account: user and password, where authentication is on.
    """

    folder: Path
    http_port: int
    dicom_port: int
    process: subprocess.Popen[bytes] = field(repr=False)
    aet: str = "ORTHANC"
    account: tuple[str, str] | None = None

    @property
    def url(self) -> str:
        """Of its REST API."""
        return f"http://{LOOPBACK}:{self.http_port}"

    @property
    def dicom_web(self) -> str:
        """Of its DICOMweb services."""
        return f"{self.url}/dicom-web"

    @property
    def dimse(self) -> str:
        """Its address as a DIMSE peer."""
        return f"dimse://{self.aet}@{LOOPBACK}:{self.dicom_port}"

    def client(self) -> httpx.Client:
        """A client of the REST API that may do everything."""
        return httpx.Client(base_url=self.url, auth=self.account, timeout=60.0)

    def store(self, files: Iterable[Path | bytes]) -> int:
        """Send files by STOW-RS; how many were stored."""
        count = 0
        with self.client() as client:
            for batch in _batches(files, STORE_TOGETHER):
                contents = [item if isinstance(item, bytes) else item.read_bytes() for item in batch]
                boundary = uuid.uuid4().hex
                kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
                answer = client.post(
                    "/dicom-web/studies",
                    content=_multipart(contents, boundary),
                    headers={"Content-Type": kind, "Accept": "application/dicom+json"},
                )
                answer.raise_for_status()
                count += len(answer.json().get("00081199", {}).get("Value", []))
        return count

    def rest(self, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401 - JSON of any shape
        """An answer of Orthanc's own REST API."""
        with self.client() as client:
            answer = client.request(method, path, **options)
            answer.raise_for_status()
            return answer.json()

    def delete_study(self, study_uid: str) -> None:
        """Take a study out of the archive."""
        query = {"Level": "Study", "Query": {"StudyInstanceUID": study_uid}}
        for identifier in self.rest("POST", "/tools/find", json=query):
            self.rest("DELETE", f"/studies/{identifier}")

    def stop(self) -> None:
        """End the process; returns when it is gone. What it holds is not kept, so it need not end well."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running_orthanc(
    folder: Path, *, account: tuple[str, str] | None = None, **configuration: object
) -> Iterator[Orthanc]:
    """An Orthanc that lives as long as the block.

    Args:
        folder: where it keeps everything; made where it does not exist.
        account: user and password; without one it asks nobody who they are.
        configuration: settings of Orthanc's, over those of `_configuration`.
    """
    program, plugin = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin"), _plugin()
    if program is None or plugin is None:
        pytest.skip(INSTALL)
    for left in reversed(range(START_TRIES)):
        server = _start(program, plugin, folder, account, configuration)
        try:
            _wait_until_up(server)
            break
        except _NotUpError:
            server.stop()
            if not left:
                raise
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """A port of the loopback on which nobody listens now."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


class _NotUpError(Exception):
    """Orthanc ended, or gave no answer in time; carries the end of its log."""


def _start(
    program: str,
    plugin: Path,
    folder: Path,
    account: tuple[str, str] | None,
    configuration: dict[str, object],
) -> Orthanc:
    http_port, dicom_port = free_port(), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, object] = {
        "Name": "osteoscreen tests",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http_port,
        "DicomPort": dicom_port,
        "DicomAet": "ORTHANC",
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": account is not None,
        "RegisteredUsers": dict([account]) if account else {},
        "Plugins": [str(plugin)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "UnknownSopClassAccepted": True,
        "OverwriteInstances": True,
        "SaveJobs": False,
        "StableAge": 1,
        **configuration,
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(settings))
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([program, path], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    return Orthanc(folder, http_port, dicom_port, process, str(settings["DicomAet"]), account)


def _wait_until_up(server: Orthanc) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and server.process.poll() is None:
        with suppress(httpx.TransportError, httpx.HTTPStatusError):
            server.rest("GET", "/system")
            return
        time.sleep(0.05)
    raise _NotUpError((server.folder / "log").read_text(errors="replace")[-2000:])


def _plugin() -> Path | None:
    return next((path for path in PLUGINS if path.is_file()), None)


def _batches(files: Iterable[Path | bytes], size: int) -> Iterator[list[Path | bytes]]:
    waiting = iter(files)
    while batch := list(islice(waiting, size)):
        yield batch


def _multipart(contents: Iterable[bytes], boundary: str) -> bytes:
    part = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    parts = ((part, content, b"\r\n") for content in contents)
    return b"".join(chain(chain.from_iterable(parts), (f"--{boundary}--\r\n".encode(),)))
