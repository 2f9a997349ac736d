"""Connections to a Triton server: how its address is written, and gRPC that notices a restart soon."""

from __future__ import annotations

import socket

from tritonclient.grpc import InferenceServerClient

from tasks.outcomes import ConfigurationError

SECURE_SCHEME = "grpcs://"
PLAIN_SCHEME = "grpc://"
_OPTIONS = [
    # gRPC's own pauses between attempts to connect grow to two minutes; a restarted server is back sooner.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_http_proxy", 0),
]


def connect(url: str) -> InferenceServerClient:
    """A client for `host:port`, `grpc://host:port` or, encrypted, `grpcs://host:port`; connects on first use.

    Raises:
        ConfigurationError: when the address cannot be understood.
    """
    return InferenceServerClient(
        _host_and_port(url), ssl=url.startswith(SECURE_SCHEME), channel_args=list(_OPTIONS)
    )


def is_local(url: str) -> bool:
    """Whether the address names this machine, so that memory might be shared with the server."""
    host = _host_and_port(url).rpartition(":")[0].strip("[]").lower()
    return host in {"localhost", "::1", socket.gethostname().lower()} or host.startswith("127.")


def _host_and_port(url: str) -> str:
    address = url.removeprefix(SECURE_SCHEME).removeprefix(PLAIN_SCHEME)
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and "/" not in host):
        raise ConfigurationError("triton_url must be host:port of gRPC, such as localhost:8001.")
    return address
