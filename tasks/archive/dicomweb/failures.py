"""What a request that failed means: whether another try may help and when, or what to tell a person."""

from __future__ import annotations

import random
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpcore
import httpx

from tasks.outcomes import ArchiveError

# The first pause, then each time twice as long, and up to half as much again by chance: workers that failed
# together shall not come back together.
FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 20.0
# Worth another try: the server says that it is busy, or that something broke.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSALS = {
    HTTPStatus.UNAUTHORIZED: "The archive does not know who asks (HTTP 401)",
    HTTPStatus.FORBIDDEN: "The archive forbids this account to ask (HTTP 403)",
}
_ACCOUNT = (
    "set OSTEOSCREEN_DICOMWEB__USER and OSTEOSCREEN_DICOMWEB__PASSWORD, or OSTEOSCREEN_DICOMWEB__TOKEN, or "
    "name a file that holds one in OSTEOSCREEN_DICOMWEB__SECRET_FILE."
)


class TryAgain(Exception):  # noqa: N818 - a try that failed in a way that may pass
    """A try failed in a way that may pass.

    Args:
        why: half a sentence for a person.
        after_s: how long the server asked to be left alone.
    """

    def __init__(self, why: str, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        self.after_s = after_s


def pauses(retries: int) -> Iterator[float]:
    """Seconds to wait before each further try."""
    for number in range(retries):
        pause_s = min(FIRST_PAUSE_S * 2**number, MAX_PAUSE_S)
        yield pause_s * (1.0 + random.random() / 2)  # noqa: S311 - no secret


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: a number, or a date); 0 without one."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


class BadRequestError(ArchiveError):
    """The server does not take the question as it was asked (HTTP 400)."""


def refused(response: httpx.Response) -> Exception:
    """What an answer other than the one that was asked for means."""
    status = response.status_code
    if status in PASSING:
        return TryAgain(f"it answered with HTTP {status}", retry_after_s(response.headers))
    if status in _REFUSALS:
        return ArchiveError(f"{_REFUSALS[HTTPStatus(status)]}: {_ACCOUNT}")
    if 300 <= status < 400:
        return ArchiveError(
            f"The archive sends requests elsewhere (HTTP {status}): give the address that it means."
        )
    if status == HTTPStatus.NOT_ACCEPTABLE:
        return ArchiveError("The archive does not send what it has as it stores it (HTTP 406).")
    kind = BadRequestError if status == HTTPStatus.BAD_REQUEST else ArchiveError
    return kind(f"The archive answered with HTTP {status}: is the address that of its DICOMweb?")


def broken(error: Exception) -> Exception:
    """What a connection that could not be made, or broke, means; none of its own words are shown."""
    cause = _tls_error(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ArchiveError(
            "The archive's certificate is not believed: set OSTEOSCREEN_DICOMWEB__CA_BUNDLE to a file of the "
            "authorities that signed it, and check the name in the address."
        )
    if cause is not None:
        return ArchiveError(
            "The archive refused TLS: check that it speaks https, and where it asks for a certificate set "
            "OSTEOSCREEN_DICOMWEB__CLIENT_CERTIFICATE and OSTEOSCREEN_DICOMWEB__CLIENT_KEY."
        )
    if isinstance(error, httpcore.ConnectError):
        return TryAgain("no connection to it could be made; is it running, and is the address right?")
    return TryAgain("the connection broke")


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """What TLS had to say, below httpcore's errors; a connection that just ended is not its fault."""
    below: BaseException | None = error
    while below is not None and not isinstance(below, ssl.SSLError):
        below = below.__cause__ or below.__context__
    return None if isinstance(below, ssl.SSLEOFError) else below
