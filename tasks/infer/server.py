"""The embedded Triton server: NVIDIA's own binary from a PyPI wheel, run for as long as it is needed.

It listens on this machine only, on ports that were free, keeps its log in a file, is started again when it
crashes, and ends with its owner, however that ends (see `watchdog`).
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from tasks.infer import watchdog
from tasks.infer.channel import connect
from tasks.infer.environment import find_environment, in_project
from tasks.infer.shared import Owner
from tasks.outcomes import ConfigurationError, Failed, Reason
from tasks.settings import Inference

THREADS_VARIABLE = "OSTEOSCREEN_TRITON_THREADS"
PORT_TRIES = 4
"""A free port may be taken between choosing it and using it; several times in a row is no accident."""
STOP_TIMEOUT_S = watchdog.GRACE_S + 5.0
LOG_TAIL_LINES = 2
_POLL_S = 0.1
_PORT_TAKEN = ("already in use", "address in use", "failed to start")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a server listens; Triton's usual ones are the defaults."""

    http: int = 8000
    grpc: int = 8001
    metrics: int = 8002


class EmbeddedServer:
    """A Triton server that runs inside the `with` block.

        with EmbeddedServer(settings.inference) as server:
            client = TritonClient(server.url, settings.inference)

    Args:
        settings: which environment, which model repository, how long to wait.
        host: address to listen on; only this machine by default.
        ports: ports to prefer; those in use, or all without it, are replaced by free ones.
        log: file for the server's log; without it, a temporary one that is kept when the server fails.

    Raises (from `start` and on entry):
        ConfigurationError: when the server is not installed or the repository or a model cannot be loaded.
        Failed: `inference_unavailable` when it does not become ready in time.
    """

    def __init__(
        self,
        settings: Inference,
        *,
        host: str = "127.0.0.1",
        ports: Ports | None = None,
        log: Path | None = None,
    ) -> None:
        self._settings = settings
        self._host = host
        self._preferred = ports
        self._keep_log = log is not None
        self._log = log
        self._owner: Owner | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ports = Ports()

    @property
    def url(self) -> str:
        """host:port of gRPC, for `TritonClient`."""
        return f"{_reachable(self._host)}:{self._ports.grpc}"

    @property
    def ports(self) -> Ports:
        """The ports that it really listens on."""
        return self._ports

    @property
    def log(self) -> Path | None:
        """Where the server's log is written."""
        return self._log

    @property
    def running(self) -> bool:
        """Whether the server, or the watchdog that will restart it, is alive."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it and its models are ready."""
        repository = in_project(self._settings.model_repository)
        if not repository.is_dir():
            raise ConfigurationError(f"There is no model repository at {self._settings.model_repository}.")
        try:
            for last in (False,) * (PORT_TRIES - 1) + (True,):
                self._ports = _free_ports(self._host, self._preferred)
                if self._launch(repository, last_try=last):
                    return
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server and remove what it left; harmless when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if not self._keep_log and process.returncode == 0 and self._log is not None:
                self._log.unlink(missing_ok=True)
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.close()

    def _launch(self, repository: Path, *, last_try: bool) -> bool:
        """Start one server and see it become ready; False when somebody else took a port meanwhile."""
        environment = find_environment(self._settings)
        self._owner = self._owner or Owner()
        workspace = Path(tempfile.gettempdir()) / self._owner.name
        workspace.mkdir(mode=0o700)
        environment.copy_backends(workspace / "backends")
        variables = environment.variables(workspace)
        if self._settings.threads is not None:
            variables[THREADS_VARIABLE] = str(self._settings.threads)
        self._log = self._log or Path(tempfile.gettempdir()) / f"{self._owner.name}.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        shared_memory = f"{self._owner.name}-triton"
        command = [sys.executable, "-I", "-S", watchdog.__file__, str(os.getpid()), shared_memory]
        command += [str(workspace), str(environment.server)]
        command += self._arguments(repository, workspace, shared_memory)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=variables,
                start_new_session=True,
                pass_fds=(self._owner.lock,),
            )
        return self._wait(last_try=last_try)

    def _arguments(self, repository: Path, workspace: Path, shared_memory: str) -> list[str]:
        return [
            f"--model-repository={repository}",
            f"--backend-directory={workspace / 'backends'}",
            f"--backend-config=python,shm-region-prefix-name={shared_memory}",
            f"--id={self._name}",
            f"--http-address={self._host}",
            f"--grpc-address={self._host}",
            f"--metrics-address={self._host}",
            f"--http-port={self._ports.http}",
            f"--grpc-port={self._ports.grpc}",
            f"--metrics-port={self._ports.metrics}",
            "--exit-timeout-secs=5",
        ]

    @property
    def _name(self) -> str:
        return self._owner.name if self._owner is not None else ""

    def _wait(self, *, last_try: bool) -> bool:
        deadline = time.monotonic() + self._settings.ready_timeout_s
        with connect(self.url) as client:
            while time.monotonic() < deadline:
                if not self.running:
                    return self._ended(last_try=last_try)
                if _is_ready(client, self._name, self._settings.model_name):
                    self._signal(signal.SIGUSR1)
                    return True
                time.sleep(_POLL_S)
        self._keep_log = True
        raise Failed(
            Reason.INFERENCE_UNAVAILABLE,
            f"the embedded server was not ready within {self._settings.ready_timeout_s:g} s; see its log",
        )

    def _ended(self, *, last_try: bool) -> bool:
        """The server left before it was ready: a port was taken, or it cannot serve what it was given."""
        text = self._log.read_text(errors="replace") if self._log is not None else ""
        self._process = None
        if not last_try and any(phrase in text.lower() for phrase in _PORT_TAKEN):
            return False
        self._keep_log = True
        raise ConfigurationError(
            f"The embedded Triton server did not start: {_errors(text)} (log: {self._log})"
        )

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


def _is_ready(client: InferenceServerClient, name: str, model: str) -> bool:
    """Whether this very server (another may sit on the port) is up with the model loaded."""
    try:
        return client.get_server_metadata(client_timeout=2.0).name == name and bool(
            client.is_model_ready(model, client_timeout=2.0)
        )
    except InferenceServerException:
        return False


def _reachable(host: str) -> str:
    """An address at which this machine reaches a server that listens on `host`."""
    return "127.0.0.1" if host in {"0.0.0.0", ""} else host  # noqa: S104 - compared, not bound


def _errors(log: str) -> str:
    """The last error lines of a Triton log; they look like `E1122 19:20:21.034 7 file.cc:642] "text"`."""
    lines = re.findall(r"^(?:E\d{4} .*?\] |error: )(.*)$", log, re.MULTILINE)
    return " | ".join(lines[-LOG_TAIL_LINES:]) or "it left without a word"


def _free_ports(host: str, preferred: Ports | None) -> Ports:
    """Ports that are free now, the preferred ones where possible; held together so that they differ."""
    wanted = (preferred.http, preferred.grpc, preferred.metrics) if preferred is not None else (0, 0, 0)
    held = []
    try:
        for port in wanted:
            holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            held.append(holder)
            try:
                holder.bind((host, port))
            except OSError:
                holder.bind((host, 0))
        return Ports(*(holder.getsockname()[1] for holder in held))
    finally:
        for holder in held:
            holder.close()
