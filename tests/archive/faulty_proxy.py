"""A proxy in front of a real HTTP server that does to its answers what networks and servers do.

    with faulty_proxy(orthanc.url) as proxy:
        proxy.fail("/instances/", stall, times=1)
        DicomWebPeer(f"{proxy.url}/dicom-web", settings)

A fault is a function of an `Exchange`; requests whose path has a pattern meet it, all others pass.
"""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

LOOPBACK = "127.0.0.1"
# How soon the end of a test is noticed.
POLL_S = 0.02
# Headers that belong to one connection, not to what is sent over it.
_OF_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "content-length"})


@dataclass(frozen=True)
class Answer:
    """What the server behind the proxy said; `body` as it came over the network."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - JSON of any shape
        """The body as JSON."""
        return httpx.Response(self.status, headers=self.headers, content=self.body).json()


@dataclass
class Exchange:
    """One request, and what may be done about it."""

    path: str
    headers: Mapping[str, str]
    released: threading.Event
    _proxy: FaultyProxy
    _handler: BaseHTTPRequestHandler
    _forward: Callable[[str], Answer]

    def answer(self, path: str | None = None) -> Answer:
        """What the server says to it, or to another path."""
        return self._forward(path or self.path)

    def send(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        *,
        length: int | None = None,
        keeps_open: bool = True,
    ) -> None:
        """Answer with this; `length` is what Content-Length says, a negative one leaves it out."""
        handler = self._handler
        handler.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _OF_CONNECTION:
                handler.send_header(name, value)
        declared = len(body) if length is None else length
        if declared >= 0:
            handler.send_header("Content-Length", str(declared))
        if not keeps_open:
            handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body)
        with self._proxy._lock:
            self._proxy.sent += len(body)
        handler.close_connection = not keeps_open

    def raw(self, data: bytes) -> None:
        """Bytes onto the connection as they are."""
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def hang_up(self) -> None:
        """Close the connection after this request."""
        self._handler.close_connection = True


Fault = Callable[[Exchange], None]


@dataclass
class FaultyProxy:
    """A running proxy.

    Attributes:
        requests: method and path of everything that was asked, in order.
        sent: bytes of the bodies of all answers.
    """

    upstream: str
    scheme: str = "http"
    port: int = 0
    requests: list[str] = field(default_factory=list)
    sent: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    _faults: list[tuple[re.Pattern[str], Fault, int | None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://{LOOPBACK}:{self.port}"

    def fail(self, pattern: str, fault: Fault, times: int | None = None) -> None:
        """Let requests whose method and path hold a pattern meet a fault, so many times or always."""
        with self._lock:
            self._faults.append((re.compile(pattern), fault, times))

    def count(self, pattern: str) -> int:
        """How many requests held a pattern."""
        return sum(re.search(pattern, request) is not None for request in self.requests)

    def _fault(self, request: str) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            for number, (pattern, fault, times) in enumerate(self._faults):
                if pattern.search(request) and times != 0:
                    self._faults[number] = (pattern, fault, None if times is None else times - 1)
                    return fault
        return None


@contextmanager
def faulty_proxy(upstream: str, context: ssl.SSLContext | None = None) -> Iterator[FaultyProxy]:
    """A proxy that passes everything on until it is told otherwise.

    Args:
        upstream: address of the server behind it.
        context: of TLS towards those who ask; without it the proxy speaks plain HTTP.
    """
    proxy = FaultyProxy(upstream, "http" if context is None else "https")
    # the server behind speaks plain HTTP: nobody's certificates need to be loaded
    with httpx.Client(
        base_url=upstream, timeout=60.0, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ) as client:
        server = ThreadingHTTPServer((LOOPBACK, 0), _handler_for(proxy, client))
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        proxy.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.released.set()
            server.shutdown()
            server.server_close()
            thread.join()


def _handler_for(proxy: FaultyProxy, client: httpx.Client) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._meet()

        def do_POST(self) -> None:
            self._meet()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

        def _meet(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _OF_CONNECTION}

            def forward(path: str) -> Answer:
                with client.stream(self.command, path, content=content, headers=headers) as response:
                    body = b"".join(response.iter_raw())
                    return Answer(response.status_code, dict(response.headers), body)

            fault = proxy._fault(f"{self.command} {self.path}") or passed_on
            with suppress(ConnectionError):
                fault(Exchange(self.path, headers, proxy.released, proxy, self, forward))

    return Handler


def passed_on(exchange: Exchange) -> None:
    """The server's own answer."""
    answer = exchange.answer()
    exchange.send(answer.status, answer.headers, answer.body)


def stall(exchange: Exchange) -> None:
    """No answer, on a connection that stays open."""
    exchange.released.wait()
    exchange.hang_up()


def hang_up(exchange: Exchange) -> None:
    """The connection is closed instead of an answer."""
    exchange.hang_up()


def half_a_body(exchange: Exchange) -> None:
    """The connection is closed in the middle of a body."""
    answer = exchange.answer()
    body = answer.body
    exchange.send(answer.status, answer.headers, body[: len(body) // 2], length=len(body), keeps_open=False)


def half_a_body_undeclared(exchange: Exchange) -> None:
    """As `half_a_body`, from a server that never says how long a body is."""
    answer = exchange.answer()
    body = answer.body
    exchange.send(answer.status, answer.headers, body[: len(body) // 2], length=-1, keeps_open=False)


def stall_in_the_middle(exchange: Exchange) -> None:
    """Half a body, and then nothing."""
    answer = exchange.answer()
    body = answer.body
    exchange.send(answer.status, answer.headers, body[: len(body) // 2], length=len(body))
    stall(exchange)


def trickle(exchange: Exchange) -> None:
    """Headers that come byte by byte and never end."""
    exchange.raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not exchange.released.wait(0.05):
        exchange.raw(b"a")
    exchange.hang_up()


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """An answer of the proxy's own; underscores in names of headers are dashes."""

    def fault(exchange: Exchange) -> None:
        exchange.send(code, {name.replace("_", "-"): value for name, value in headers.items()}, body)

    return fault


def instead(path: Callable[[str], str]) -> Fault:
    """The server's answer to another path."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.answer(path(exchange.path))
        exchange.send(answer.status, answer.headers, answer.body)

    return fault


def with_query(**changed: str | None) -> Fault:
    """The server's answer to another query: parameters set to a value, or left out where it is None."""

    def other(path: str) -> str:
        parts = urlsplit(path)
        kept = [pair for pair in parse_qsl(parts.query) if pair[0] not in changed]
        new = [(name, value) for name, value in changed.items() if value is not None]
        return f"{parts.path}?{urlencode(kept + new)}"

    return instead(other)


def as_single_part(exchange: Exchange) -> None:
    """A file by itself, where the server sends it as the first part of a multipart message."""
    answer = exchange.answer()
    body = answer.body
    boundary = answer.headers["content-type"].partition("boundary=")[2].encode()
    start = body.index(b"\r\n\r\n") + 4
    exchange.send(200, {"Content-Type": "application/dicom"}, body[start : body.rindex(b"\r\n--" + boundary)])
