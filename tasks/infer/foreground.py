"""The embedded server for a person at a terminal: `osteoscreen triton`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

from tasks.infer.server import EmbeddedServer, Ports
from tasks.settings import Inference


def serve_foreground(
    settings: Inference,
    announce: Callable[[str], None],
    *,
    host: str = "127.0.0.1",
    ports: Ports | None = None,
) -> int:
    """Serve until SIGINT, SIGTERM or until the server gives up; an exit status. Main thread only.

    Args:
        settings: as for `EmbeddedServer`.
        announce: shows a line to the person who started it.
        host, ports: where to listen; Triton's usual ports by default, free ones in place of those in use.
    """
    done = threading.Event()

    def finish(_number: int, _frame: FrameType | None) -> None:
        done.set()

    previous = {number: signal.signal(number, finish) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with EmbeddedServer(settings, host=host, ports=ports or Ports()) as server:
            announce(f"Triton is ready: gRPC {server.url}, HTTP port {server.ports.http}, log {server.log}")
            announce(f"Use it with OSTEOSCREEN_TRITON_URL={server.url}; stop it with Ctrl-C.")
            while server.running and not done.wait(0.5):
                pass
            if done.is_set():
                return 0
            announce(f"The server ended by itself; see {server.log}.")
            return 3
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
