"""The embedded server: found or refused with advice, on free ports, never left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tasks.infer import server as module
from tasks.infer import shared
from tasks.infer.client import TritonClient
from tasks.infer.environment import find_environment
from tasks.infer.foreground import serve_foreground
from tasks.infer.server import EmbeddedServer, Ports
from tasks.infer.shared import FOLDER, sweep
from tasks.outcomes import ConfigurationError, Failed, Reason
from tasks.settings import Inference
from tests.infer.conftest import process_of
from tests.infer.models import NAME, fast_repository, noise, slow_repository

pytestmark = [pytest.mark.triton, pytest.mark.xdist_group("triton")]

NIGHT = """
import sys, time
from pathlib import Path
from tasks.infer.client import TritonClient
from tasks.infer.server import EmbeddedServer
from tasks.settings import Inference
from tasks.infer import shared
import numpy as np
shared.PREFIX = sys.argv[2]
settings = Inference(threads=1, model_repository=Path(sys.argv[1]))
with EmbeddedServer(settings) as server:
    TritonClient(server.url, settings).infer(np.zeros((1, 224, 224), np.int16))
    print("ready", flush=True)
    time.sleep(600)
"""


def holder() -> socket.socket:
    """A socket that keeps a port in use."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def watchdog_of(grpc_port: str) -> psutil.Process:
    for process in psutil.Process().children():
        if process.status() != psutil.STATUS_ZOMBIE and f"--grpc-port={grpc_port}" in process.cmdline():
            return process
    raise AssertionError("no watchdog")


def osteoscreen_names() -> set[str]:
    return {path.name for path in FOLDER.glob(f"{shared.PREFIX}*")}


def test_a_port_in_use_is_replaced_by_a_free_one(fast: Inference) -> None:
    with holder() as taken:
        port = taken.getsockname()[1]
        with EmbeddedServer(fast, ports=Ports(http=port, grpc=port, metrics=port)) as server:
            ports = {server.ports.http, server.ports.grpc, server.ports.metrics}
            assert len(ports) == 3 and port not in ports
            client = TritonClient(server.url, fast)
            assert client.infer(noise(1)).model_version == "1"
            client.close()


def test_a_port_that_is_taken_in_the_last_moment_costs_another_try(
    fast: Inference, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = module._free_ports
    with holder() as taken:
        port = taken.getsockname()[1]
        free = choose("127.0.0.1", None)
        answers = [Ports(free.http, port, free.metrics)]

        def raced(host: str, preferred: Ports | None) -> Ports:
            return answers.pop() if answers else choose(host, preferred)

        monkeypatch.setattr(module, "_free_ports", raced)
        with EmbeddedServer(fast) as server:
            assert port != server.ports.grpc and server.running and not answers


def test_two_servers_stand_side_by_side(server: EmbeddedServer, fast: Inference) -> None:
    with EmbeddedServer(fast) as other:
        assert other.url != server.url
    assert server.running
    client = TritonClient(server.url, fast)
    assert client.infer(noise(1)).model_version == "1"
    client.close()


def test_nothing_is_left_of_it(fast: Inference) -> None:
    before = osteoscreen_names()
    with EmbeddedServer(fast) as server:
        process, log = process_of(server), server.log
        assert osteoscreen_names() > before
    assert not process.is_running() and not server.running
    assert osteoscreen_names() == before
    assert log is not None and not log.exists()


def test_it_sees_no_secret_of_the_environment(fast: Inference, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEOSCREEN_PATIENT_KEY_SECRET", "not for the server")
    with EmbeddedServer(fast) as server:
        assert "OSTEOSCREEN_PATIENT_KEY_SECRET" not in process_of(server).environ()


def test_a_model_that_cannot_be_loaded_is_named(installed: Inference, tmp_path: Path) -> None:
    repository = fast_repository(tmp_path / "models")
    (repository / NAME / "1" / "model.onnx").write_bytes(b"no model")
    settings = installed.model_copy(update={"model_repository": repository})
    with pytest.raises(ConfigurationError, match=NAME):
        EmbeddedServer(settings, log=tmp_path / "logs" / "triton.log").start()
    assert (tmp_path / "logs" / "triton.log").stat().st_size > 0


def test_a_server_that_takes_too_long_is_a_named_failure(installed: Inference, tmp_path: Path) -> None:
    before = osteoscreen_names()
    changes = {"model_repository": slow_repository(tmp_path, 0.1), "ready_timeout_s": 0.2}
    with pytest.raises(Failed) as failure:
        EmbeddedServer(installed.model_copy(update=changes)).start()
    assert failure.value.reason is Reason.INFERENCE_UNAVAILABLE and "0.2 s" in failure.value.detail
    assert osteoscreen_names() == before


def test_without_environment_or_repository_it_says_what_to_do(installed: Inference, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="make setup"):
        EmbeddedServer(installed.model_copy(update={"triton_environment": tmp_path})).start()
    with pytest.raises(ConfigurationError, match="model repository"):
        EmbeddedServer(installed.model_copy(update={"model_repository": tmp_path / "none"})).start()


def test_an_interpreter_without_its_library_is_named(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.12" / "site-packages" / "pytriton" / "tritonserver"
    (packages / "bin").mkdir(parents=True)
    (packages / "bin" / "tritonserver").touch()
    settings = Inference(triton_environment=tmp_path)
    with pytest.raises(ConfigurationError, match=r"stub for CPython 3\.12"):
        find_environment(settings)
    stub = packages / "python_backend_stubs" / "3.12" / "triton_python_backend_stub"
    stub.parent.mkdir(parents=True)
    stub.touch()
    with pytest.raises(ConfigurationError, match="not a virtual environment"):
        find_environment(settings)
    (tmp_path / "pyvenv.cfg").write_text(f"home = {tmp_path / 'python' / 'bin'}\n")
    with pytest.raises(ConfigurationError, match=r"libpython3\.12"):
        find_environment(settings)
    library = tmp_path / "python" / "lib" / "libpython3.12.so.1.0"
    library.parent.mkdir(parents=True)
    library.touch()
    assert find_environment(settings).library == library.parent


@pytest.mark.parametrize("victims", ["the night", "the night's process group", "the night and the watchdog"])
def test_killed_at_any_moment_nothing_stays_behind(fast: Inference, victims: str) -> None:
    before = osteoscreen_names()
    night = subprocess.Popen(
        [sys.executable, "-c", NIGHT, str(fast.model_repository), shared.PREFIX],
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert night.stdout is not None and night.stdout.readline() == "ready\n"
    family = psutil.Process(night.pid).children(recursive=True)
    (watchdog,) = (process for process in family if "watchdog.py" in " ".join(process.cmdline()))
    if victims == "the night's process group":
        os.killpg(night.pid, signal.SIGKILL)
    else:
        night.kill()
        if victims.endswith("the watchdog"):
            watchdog.kill()
    night.wait()
    night.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    sweep()  # as the next owner does
    assert osteoscreen_names() == before


def test_a_foreground_server_ends_with_its_signal(fast: Inference) -> None:
    before = signal.getsignal(signal.SIGINT)
    said: list[str] = []

    def announce(line: str) -> None:
        said.append(line)
        if len(said) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    assert serve_foreground(fast, announce) == 0
    assert "OSTEOSCREEN_TRITON_URL=127.0.0.1:" in said[1]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_foreground_server_that_gives_up_says_so(fast: Inference) -> None:
    said: list[str] = []

    def announce(line: str) -> None:
        said.append(line)
        if len(said) == 1:
            port = line.split("gRPC 127.0.0.1:")[1].split(",")[0]
            watchdog_of(port).kill()

    assert serve_foreground(fast, announce) == 3
    assert "ended by itself" in said[-1]
