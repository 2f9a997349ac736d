"""A TCP proxy on the loopback that stalls what a server says, or cuts the connection, in the middle."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from tests.archive.orthanc import LOOPBACK

Fault = Literal["stall", "cut", "trickle"]
PIECE_BYTES = 4096


@dataclass
class Proxy:
    """What it does, to be changed while it runs.

    Attributes:
        fault: what happens once a connection has passed on `after` bytes of the server's.
        left: connections that this still happens to.
        connections: how many there were.
    """

    target: int
    port: int = 0
    fault: Fault = "stall"
    after: int = 0
    left: int = 0
    connections: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    def address(self, title: str) -> str:
        """As a DIMSE peer."""
        return f"dimse://{title}@{LOOPBACK}:{self.port}"

    def serve(self, listener: socket.socket) -> None:
        """Accept connections until the listener is closed."""
        while not self.closing.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            is_faulty, self.left = self.left > 0, self.left - 1
            server = socket.create_connection((LOOPBACK, self.target))
            for source, sink, faulty in ((client, server, False), (server, client, is_faulty)):
                threading.Thread(target=self._pass_on, args=(source, sink, faulty), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_faulty: bool) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(PIECE_BYTES):
                if is_faulty and passed + len(data) > self.after:
                    self._fail(data, sink)
                    break
                sink.sendall(data)
                passed += len(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _fail(self, data: bytes, sink: socket.socket) -> None:
        if self.fault == "stall":
            self.closing.wait()
        elif self.fault == "trickle":
            for byte in data:
                sink.sendall(bytes([byte]))
                if self.closing.wait(0.2):
                    break


@contextmanager
def running_proxy(target: int) -> Iterator[Proxy]:
    """A proxy before a port of the loopback, for as long as the block."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        proxy = Proxy(target, listener.getsockname()[1])
        thread = threading.Thread(target=proxy.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.closing.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)
