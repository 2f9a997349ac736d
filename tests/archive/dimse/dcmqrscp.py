"""DCMTK's dcmqrscp for tests: a second kind of peer, whose index tells little, on a port of the loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.archive.orthanc import LOOPBACK, free_port

TITLE = "DCMTK"
INSTALL = "DCMTK is not installed: run infra/debian/install.sh tests"
START_TIMEOUT_S = 20.0


@dataclass
class Dcmqrscp:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def dimse(self) -> str:
        """Its address."""
        return f"dimse://{TITLE}@{LOOPBACK}:{self.port}"

    def store(self, files: Sequence[Path], *options: str | Path) -> None:
        """Send files by C-STORE, with the program of the same toolkit."""
        program = shutil.which("storescu")
        if program is None:
            pytest.skip(INSTALL)
        subprocess.run(
            [program, "-aec", TITLE, *map(str, options), LOOPBACK, str(self.port), *map(str, files)],
            check=True,
            capture_output=True,
            timeout=60,
        )


@contextmanager
def running_dcmqrscp(
    folder: Path, destinations: Mapping[str, int], *options: str | Path
) -> Iterator[Dcmqrscp]:
    """A dcmqrscp that lives as long as the block.

    Args:
        folder: where it keeps everything.
        destinations: ports of this host to which it may send, by AE title.
        options: of its command line.
    """
    program = shutil.which("dcmqrscp")
    if program is None:
        pytest.skip(INSTALL)
    port = free_port()
    storage = folder / "storage"
    storage.mkdir(parents=True)
    hosts = [f"host{n} = ({title}, {LOOPBACK}, {to})" for n, (title, to) in enumerate(destinations.items())]
    configuration = folder / "dcmqrscp.cfg"
    configuration.write_text(
        "\n".join(
            [
                f"NetworkTCPPort = {port}",
                "MaxPDUSize = 131072",
                "MaxAssociations = 16",
                "HostTable BEGIN",
                *hosts,
                "HostTable END",
                "VendorTable BEGIN",
                "VendorTable END",
                "AETable BEGIN",
                f"{TITLE} {storage} RW (50, 1024mb) ANY",
                "AETable END",
                "",
            ]
        )
    )
    with (folder / "log").open("ab") as log:
        command = [program, "-c", str(configuration), *map(str, options)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait_until_up(port, process, folder / "log")
        yield Dcmqrscp(port, process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            socket.create_connection((LOOPBACK, port), 1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(log.read_text(errors="replace")[-2000:])
