"""TLS to and from an archive, with a site's own authority and our own certificate."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

from tasks.outcomes import ConfigurationError
from tasks.settings import DicomWeb, Dimse

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def client_context(settings: DicomWeb | Dimse) -> ssl.SSLContext:
    """For connections that we ask for: the archive must have a certificate that we can check.

    Raises:
        ConfigurationError: a file is missing, unreadable, no certificate, or a key that others may read.
    """
    context = _trusting(settings, ssl.Purpose.SERVER_AUTH)
    if isinstance(settings, Dimse):
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


def _trusting(settings: DicomWeb | Dimse, purpose: ssl.Purpose) -> ssl.SSLContext:
    name = f"{_section(settings)}.ca_bundle"
    try:
        context = ssl.create_default_context(purpose, cafile=_readable(settings.ca_bundle, name))
    except ssl.SSLError:
        raise ConfigurationError(f"{name} holds no certificate in PEM form.") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _with_certificate(context: ssl.SSLContext, settings: DicomWeb | Dimse) -> ssl.SSLContext:
    if settings.client_certificate is None:
        return context
    section = _section(settings)
    certificate = _readable(settings.client_certificate, f"{section}.client_certificate")
    key = settings.client_key or settings.client_certificate
    key_file = _readable(key, f"{section}.client_key")
    if key.stat().st_mode & _OTHERS:
        raise ConfigurationError(
            f"The key of {section}.client_key (without one, of {section}.client_certificate) may be read by "
            "others: run chmod 600 on it."
        )
    try:
        context.load_cert_chain(str(certificate), key_file, password=_no_password)
    except (ssl.SSLError, OSError, ValueError):
        raise ConfigurationError(
            f"{section}.client_certificate and {section}.client_key are no PEM certificate and its key "
            "without a password."
        ) from None
    return context


def _section(settings: DicomWeb | Dimse) -> str:
    return "dimse" if isinstance(settings, Dimse) else "dicomweb"


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
