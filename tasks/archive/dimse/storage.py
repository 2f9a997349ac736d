"""`Storage`: a storage SCP, to which a peer that knows no C-GET sends what a C-MOVE asked for.

It listens only while something is under way, under one of the AE titles and ports at which the peer knows
this host, and takes only what was asked for, from the peer that was asked.
"""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from socketserver import TCPServer

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from tasks.archive.dimse.address import ae_title
from tasks.archive.dimse.association import RETRIEVED_CLASSES, RETRIEVED_SYNTAXES, NotNow, TakeStored
from tasks.archive.dimse.wire import MAX_PDU_BYTES, Bounds, Wire
from tasks.archive.tls import client_context, server_context
from tasks.outcomes import ConfigurationError
from tasks.settings import Dimse

# How often the thread that accepts connections looks whether it shall end.
POLL_S = 0.05
# How often a port that another process holds is tried again.
RETRY_S = 0.2


class Storage:
    """The storage SCP of one process for one peer. Safe for use by several threads.

    Args:
        settings: where to listen, and as whom.
        host: the peer's; others may send nothing.
        tls: whether the peer sends encrypted.
        bounds: what a sender may make us wait or hold.
        store: takes what comes.

    Raises:
        ConfigurationError: a place to listen is none, or the certificate for TLS is missing.
    """

    def __init__(self, settings: Dimse, host: str, *, tls: bool, bounds: Bounds, store: TakeStored) -> None:
        self._settings = settings
        self._places = tuple(_place(text) for text in settings.storage)
        self._hosts = (host, *settings.storage_from)
        self._tls = server_context(settings) if tls else None
        self._bounds = bounds
        self._store = store
        self._lock = threading.Lock()
        self._users = 0
        self._server: _Server | None = None
        self._title = ""

    @contextmanager
    def listening(self, until_s: float) -> Iterator[str]:
        """Listen while the block lasts; gives the AE title that a C-MOVE must name.

        Raises:
            NotNow: until `until_s` (by `time.monotonic`) other processes held every place.
        """
        with self._lock:
            if self._server is None:
                self._server, self._title = self._start(until_s)
            self._users += 1
        try:
            yield self._title
        finally:
            with self._lock:
                self._users -= 1
                if not self._users and self._server is not None:
                    self._server.stop()
                    self._server = None

    def _start(self, until_s: float) -> tuple[_Server, str]:
        while True:
            for title, port in self._places:
                server = self._listen(title, port)
                if server is not None:
                    return server, title
            if time.monotonic() + RETRY_S > until_s:
                raise NotNow(
                    "every place of dimse.storage is in use, so images cannot be received: name as many as "
                    "there are workers on this host"
                )
            time.sleep(RETRY_S)

    def _listen(self, title: str, port: int) -> _Server | None:
        """A server that runs; None when the port is in use."""
        entity = AE(ae_title=title)
        entity.maximum_pdu_size = MAX_PDU_BYTES
        entity.require_called_aet = True
        entity.acse_timeout = entity.network_timeout = entity.dimse_timeout = self._bounds.stall_s
        for uid in RETRIEVED_CLASSES:
            entity.add_supported_context(uid, list(RETRIEVED_SYNTAXES))
        try:
            server = _Server(
                entity,
                (self._settings.storage_bind, port),
                title,
                entity.supported_contexts,
                ssl_context=self._tls,
                evt_handlers=[(evt.EVT_REQUESTED, _prefer_as_offered), (evt.EVT_C_STORE, self._store)],
                request_handler=_Handler,
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return None
            raise ConfigurationError(
                f"Port {port} of dimse.storage cannot be listened on at dimse.storage_bind: {error.strerror}."
            ) from None
        server.admit(self._hosts, self._bounds)
        threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True).start()
        return server


def _prefer_as_offered(event: evt.Event) -> None:
    """Of several transfer syntaxes in one offer take the sender's first, which is the one that it has.

    pynetdicom would take our first, and not every sender can transcode to that.
    """
    offered = event.assoc.requestor.requested_contexts
    for context in event.assoc.acceptor.supported_contexts:
        first = [
            syntax
            for offer in offered
            if offer.abstract_syntax == context.abstract_syntax
            for syntax in offer.transfer_syntax
            if syntax in context.transfer_syntax
        ]
        context.transfer_syntax = list(dict.fromkeys([*first, *context.transfer_syntax]))


def check(settings: Dimse, *, tls: bool) -> None:
    """Look at settings before a night depends on them.

    Raises:
        ConfigurationError: a place to listen is none; or for TLS, a certificate or key cannot be used.
    """
    ae_title(settings.calling_aet, "dimse.calling_aet")
    for text in settings.storage:
        _place(text)
    if tls:
        client_context(settings)


class _Server(ThreadedAssociationServer):
    """As pynetdicom's, for a few hosts only, and unable to be held up by any."""

    daemon_threads = True
    hosts: frozenset[str] = frozenset()
    bounds: Bounds

    def admit(self, hosts: Sequence[str], bounds: Bounds) -> None:
        """Say who may send, and within which bounds."""
        self.hosts = frozenset(address for host in hosts for address in _addresses(host))
        self.bounds = bounds

    def verify_request(self, request: object, client_address: object) -> bool:  # noqa: ARG002 - as inherited
        """Whether a connection comes from where we asked."""
        return isinstance(client_address, tuple) and _plain(str(client_address[0])) in self.hosts

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """A connection; what TLS has to say follows in a thread of its own."""
        if self.socket is None:
            raise OSError("closed")
        connection, address = self.socket.accept()
        connection.settimeout(self.bounds.stall_s)
        if self.ssl_context is not None:
            connection = self.ssl_context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that broke is the sender's matter; nothing is printed of it."""

    def stop(self) -> None:
        """Stop listening, and end what is still open."""
        TCPServer.shutdown(self)
        self.server_close()
        for association in self.active_associations:
            wire = association.dul.socket
            if isinstance(wire, Wire):
                wire.shut()
            with suppress(OSError, RuntimeError):
                association.abort()


class _Handler(RequestHandler):
    """One connection of a sender."""

    server: _Server

    def handle(self) -> None:
        """As the original, after the handshake of TLS."""
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().handle()

    def _create_association(self) -> Association:
        association = super()._create_association()
        # the socket that was just made has announced itself; the one that takes its place does so again
        association.dul.event_queue.get_nowait()
        association.dul.socket = Wire(association, self.server.bounds, accepted=self.request)
        return association


def _place(text: str) -> tuple[str, int]:
    title, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigurationError("dimse.storage: write each place as AE-TITLE:port.")
    return ae_title(title, "dimse.storage"), int(port)


def _addresses(host: str) -> set[str]:
    try:
        return {_plain(str(entry[4][0])) for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return set()


def _plain(address: str) -> str:
    """An address without the prefix that IPv4 has on a socket of IPv6."""
    return address.removeprefix("::ffff:")
