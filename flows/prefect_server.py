"""The embedded Prefect server: a process of its own that ends with the night, however the night ends.

Prefect would start one by itself. That one shares the terminal's Ctrl-C, so that it is gone before the night
can tell it how it ended, and it outlives a night that is killed.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from flows.orchestrator import configure_prefect, is_full
from tasks.files import DiskFullError
from tasks.infer.watchdog import die_with_parent
from tasks.outcomes import ConfigurationError, OsteoscreenError
from tasks.publish.lock import LakeBusyError, exclusive, holder

API_URL = "PREFECT_API_URL"
# A loaded machine that makes its first database has been seen to take more than 20 s.
_READY_WITHIN_S = 180.0
_POLL_S = 0.1
_STOP_WITHIN_S = 5.0
# A free port may be taken between choosing it and using it; several times in a row is no accident.
_TRIES = 3
# What Prefect gives the server that it starts itself: no web page, no second look at its own settings.
_AS_PREFECT_DOES = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
}
# Held, with the address in it, by whoever serves a lake's runs and their page: others report there too.
_SERVED = "served.lock"


class OrchestratorError(OsteoscreenError):
    """The embedded Prefect server does not come up."""


@contextmanager
def orchestrated(lake: Path, *, debug: bool = False) -> Iterator[None]:
    """Prefect for one lake: the server that the environment names, or an embedded one for the block.

    Must be entered before Prefect is first imported, in the main thread: the server ends with that.

    Args:
        lake, debug: as for `configure_prefect`.

    Raises:
        ConfigurationError: when the lake's folder cannot be used.
        OrchestratorError: when the server does not start.
        DiskFullError: when what the block does fails and the lake's disk is full.
    """
    configure_prefect(lake, debug=debug)
    if API_URL in os.environ:
        yield
        return
    home = Path(os.environ["PREFECT_HOME"])
    if running := holder(home / _SERVED):
        os.environ[API_URL] = running.split()[0]
        yield
        return
    server, os.environ[API_URL] = _start(home / "server.log")
    try:
        yield
    except Exception:
        if is_full(lake):  # whatever it was that broke: Prefect's database lies there too
            raise DiskFullError(lake) from None
        raise
    finally:
        del os.environ[API_URL]
        _stop(server)


@contextmanager
def served(lake: Path, port: int, *, debug: bool = False) -> Iterator[str]:
    """As `orchestrated`, for as long as deployments are served: with a scheduler, and a page on a port.

    Yields:
        The address of the page.

    Raises:
        ConfigurationError: when the port is taken, or the lake's folder cannot be used.
        LakeBusyError: when the lake's deployments are served already.
        OrchestratorError: when the server does not start.
    """
    configure_prefect(lake, debug=debug)
    if API_URL in os.environ:
        yield page_of(os.environ[API_URL])
        return
    home, page = Path(os.environ["PREFECT_HOME"]), f"http://127.0.0.1:{port}"
    if running := holder(home / _SERVED):
        raise LakeBusyError(f"This lake's deployments are served already: {running}. Stop that first.")
    with exclusive(home / _SERVED, f"{page}/api"):
        if not _is_free(port):
            raise ConfigurationError(f"Port {port} is taken: name another with --port.")
        server = _launch(port, home / "server.log", {"PREFECT_UI_STATIC_DIRECTORY": str(home / "page")})
        try:
            if not _is_ready(server, f"{page}/api"):
                raise OrchestratorError(f"The Prefect server does not start (log: {home / 'server.log'}).")
            os.environ[API_URL] = f"{page}/api"
            yield page
        finally:
            os.environ.pop(API_URL, None)
            _stop(server)


def page_of(api_url: str) -> str:
    """The address of a Prefect server's page, without an account that stands in that of its API."""
    parts = urlsplit(api_url.rstrip("/").removesuffix("/api"))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _start(log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A server that answers, and the address of its API."""
    for _ in range(_TRIES):
        port = _free_port()
        url = f"http://127.0.0.1:{port}/api"
        server = _launch(port, log, _AS_PREFECT_DOES)
        try:
            if _is_ready(server, url):
                return server, url
        except BaseException:
            _stop(server)
            raise
        _stop(server)
    raise OrchestratorError(
        f"The embedded Prefect server does not start (log: {log}). `osteoscreen doctor` may say why."
    )


def _launch(port: int, log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    origin = find_spec("prefect")
    assert origin is not None and origin.origin is not None  # noqa: S101 - a dependency of ours
    packages = Path(origin.origin).parents[1]
    # -P and --app-dir: what lies in the folder of the call is not imported
    command = [sys.executable, "-P", "-m", "uvicorn", "--app-dir", str(packages), "--factory"]
    command += ["prefect.server.api.server:create_app", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--log-level", "error", "--lifespan", "on"]
    with log.open("wb") as lines:
        return subprocess.Popen(
            command,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=lines,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )


def _is_ready(server: subprocess.Popen[bytes], url: str) -> bool:
    """Wait until the server answers; False when it has left, or answers too late."""
    deadline_s = time.monotonic() + _READY_WITHIN_S
    while server.poll() is None and time.monotonic() < deadline_s:
        try:
            with urlopen(f"{url}/health", timeout=_READY_WITHIN_S) as answer:  # noqa: S310 - our own server
                return bool(answer.status == 200)
        except (URLError, ConnectionError):
            time.sleep(_POLL_S)
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as asking:
        return asking.connect_ex(("127.0.0.1", port)) != 0


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])
