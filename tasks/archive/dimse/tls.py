"""TLS to and from a DIMSE peer, with a site's own authority and our own certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

from tasks.outcomes import ConfigurationError
from tasks.settings import Dimse


def client_context(settings: Dimse) -> ssl.SSLContext:
    """For associations that we ask for: the peer must have a certificate that we can check.

    Raises:
        ConfigurationError: a file is missing, unreadable, no certificate, or a key that others may read.
    """
    context = _trusting(settings, ssl.Purpose.SERVER_AUTH)
    context.check_hostname = settings.check_host_name
    return _with_certificate(context, settings)


def server_context(settings: Dimse) -> ssl.SSLContext:
    """For the storage SCP: whoever sends us images must have a certificate that we can check.

    Raises:
        ConfigurationError: as `client_context`; or there is no certificate, which a server needs.
    """
    if settings.client_certificate is None:
        raise ConfigurationError("C-MOVE over TLS needs a certificate of ours: set dimse.client_certificate.")
    context = _trusting(settings, ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    return _with_certificate(context, settings)


def _trusting(settings: Dimse, purpose: ssl.Purpose) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(purpose, cafile=_readable(settings.ca_bundle, "dimse.ca_bundle"))
    except ssl.SSLError:
        raise ConfigurationError("dimse.ca_bundle holds no certificate in PEM form.") from None


def _with_certificate(context: ssl.SSLContext, settings: Dimse) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.client_certificate is None:
        return context
    certificate = _readable(settings.client_certificate, "dimse.client_certificate")
    key = settings.client_key or settings.client_certificate
    key_file = _readable(key, "dimse.client_key")
    if key.stat().st_mode & 0o077:
        raise ConfigurationError("The key of dimse.client_key can be read by others: chmod 600.")
    try:
        context.load_cert_chain(str(certificate), key_file, password=_no_password)
    except (ssl.SSLError, OSError, ValueError):
        raise ConfigurationError(
            "dimse.client_certificate and dimse.client_key are no PEM certificate and its key without a "
            "password."
        ) from None
    return context


def _readable(path: Path | None, setting: str) -> str | None:
    if path is None:
        return None
    try:
        with path.open("rb"):
            return str(path)
    except OSError as error:
        raise ConfigurationError(f"{setting} cannot be read: {error.strerror}.") from None


def _no_password() -> str:
    """Asked for when a key is encrypted, where a night cannot answer."""
    raise ValueError("the key is encrypted")
