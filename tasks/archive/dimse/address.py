"""`Address`: where a DIMSE peer listens, how it is called, and how we call ourselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from tasks.outcomes import ConfigurationError

SCHEME = "dimse"
# IANA registered acr-nema at 104 for DICOM, and 2762 for DICOM over TLS.
DICOM_PORT = 104
DICOM_TLS_PORT = 2762
# PS3.5 table 6.2-1: 16 characters of the default repertoire without backslash and control characters.
_AE_TITLE = re.compile(r"(?=.*[^ ])[ -\[\]-~]{1,16}")
_YES_OR_NO = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_FORM = "write dimse://CALLED-AE@host:port, with ?calling=OUR-AE and &tls=yes where they are needed"


@dataclass(frozen=True, slots=True)
class Address:
    """A DIMSE peer.

    Attributes:
        called, calling: AE titles, the peer's and ours; `calling` is empty when the settings' is meant.
        tls: whether the connection is encrypted.
    """

    called: str
    host: str
    port: int
    calling: str = ""
    tls: bool = False

    @classmethod
    def parse(cls, text: str) -> Address:
        """An address from `dimse://CALLED@host:port?calling=…&tls=…`.

        Raises:
            ConfigurationError: saying what is wrong with it.
        """
        try:
            parts = urlsplit(text)
            port = parts.port
            query = parse_qs(parts.query, strict_parsing=bool(parts.query), keep_blank_values=True)
        except ValueError:
            raise _wrong("has no usable port or query") from None
        if parts.scheme != SCHEME or parts.path not in ("", "/") or parts.fragment:
            raise _wrong("is not of the form of one")
        if not parts.hostname:
            raise _wrong("names no host")
        if parts.password is not None:
            raise _wrong("holds a password, and DIMSE has none")
        options = {name: values[-1] for name, values in query.items()}
        tls_word = options.pop("tls", "no").lower()
        calling = options.pop("calling", "")
        if options or tls_word not in _YES_OR_NO:
            raise _wrong("has an option other than calling=AE-TITLE and tls=yes or no")
        tls = _YES_OR_NO[tls_word]
        return cls(
            called=ae_title(unquote(parts.username or ""), "the AE title before the @"),
            host=parts.hostname,
            port=port if port is not None else DICOM_TLS_PORT if tls else DICOM_PORT,
            calling=ae_title(calling, "calling") if calling else "",
            tls=tls,
        )


def ae_title(text: str, where: str) -> str:
    """An application entity title, without padding.

    Raises:
        ConfigurationError: it is empty, longer than 16 characters, or holds others than DICOM allows.
    """
    if not _AE_TITLE.fullmatch(text):
        raise ConfigurationError(f"{where} is no AE title (1 to 16 plain characters, no backslash): {_FORM}.")
    return text.strip()


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"The address of the DIMSE peer {what}: {_FORM}.")
