"""The way of HTTP requests to sockets, with a moment after which no socket waits any longer.

httpx bounds each wait for a socket, so a server that sends a byte now and then can keep a request alive for
days. Here every read, write and connection of a thread also ends at the moment that `answer_by` set.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

# Idle connections are closed after this time; Orthanc closes its own after one second.
KEEPALIVE_S = 5.0

_thread = threading.local()

# Its lines hold whole addresses, with the UIDs and dates of studies in them.
logging.getLogger("httpx").setLevel(logging.WARNING)


@dataclass(slots=True)
class Deadline:
    """A moment of `time.monotonic`, which may be put off."""

    at_s: float

    @property
    def left_s(self) -> float:
        """Seconds until then; negative when it has passed."""
        return self.at_s - time.monotonic()


@contextmanager
def answer_by(deadline: Deadline) -> Iterator[None]:
    """Let no socket that this thread uses in the block wait longer than that."""
    _thread.deadline = deadline
    try:
        yield
    finally:
        del _thread.deadline


class Transport(httpx.BaseTransport):
    """HTTP/1.1 over reused connections. Raises httpcore's exceptions.

    Args:
        context: how the server proves who it is, and we who we are; for https.
        max_connections: connections at once.
    """

    def __init__(self, context: ssl.SSLContext | None, max_connections: int) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=_Backend(),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its answer's body is yet to be read."""
        url = request.url
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.read(),
                extensions=request.extensions,
            )
        )
        body = _Body(answer)
        return httpx.Response(answer.status, headers=answer.headers, stream=body)

    def close(self) -> None:
        """Close every connection; the next request opens new ones."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _Backend(httpcore.NetworkBackend):
    """httpcore's own sockets, with bounded waits."""

    def __init__(self) -> None:
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left_s = _left_s(timeout, httpcore.ConnectTimeout)
        return _Stream(self._sockets.connect_tcp(host, port, left_s, local_address, socket_options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left_s(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left_s(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left_s = _left_s(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left_s))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as httpcore declares it
        return self._stream.get_extra_info(info)


def _left_s(timeout: float | None, ended: type[httpcore.TimeoutException]) -> float | None:
    """How long a socket may wait now.

    Raises:
        httpcore.TimeoutException: of the kind `ended`, when the moment has passed.
    """
    deadline: Deadline | None = getattr(_thread, "deadline", None)
    if deadline is None:
        return timeout
    left_s = deadline.left_s
    if left_s <= 0:
        raise ended("the answer took too long")
    return left_s if timeout is None else min(timeout, left_s)
