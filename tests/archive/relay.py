"""A relay of TCP before a server, which counts what goes through it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"
POLL_S = 0.1
PIECE_BYTES = 65536


@dataclass
class Relay:
    """What came and went.

    Attributes:
        port: where it listens.
        to_client: bytes that the server sent.
        connections: how many were made.
    """

    port: int
    to_client: int = 0
    connections: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, size: int) -> None:
        """So many more bytes from the server."""
        with self._lock:
            self.to_client += size


@contextmanager
def relaying(port: int) -> Iterator[Relay]:
    """A relay before the server at a port of the loopback, for as long as the block."""
    stopped = threading.Event()
    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.settimeout(POLL_S)
        relay = Relay(listener.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(listener, port, relay, stopped), daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            stopped.set()
            thread.join()


def _accept(listener: socket.socket, port: int, relay: Relay, stopped: threading.Event) -> None:
    while not stopped.is_set():
        with suppress(TimeoutError):
            client, _ = listener.accept()
            relay.connections += 1
            server = socket.create_connection((LOOPBACK, port))
            for source, sink, counted in ((client, server, False), (server, client, True)):
                threading.Thread(target=_pass_on, args=(source, sink, relay, counted), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, relay: Relay, counted: bool) -> None:
    with suppress(OSError):
        while piece := source.recv(PIECE_BYTES):
            if counted:
                relay.count(len(piece))
            sink.sendall(piece)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
