"""`Connection`: questions to one DICOMweb server, asked again where that helps, and bounded in every way.

There is one connection for each server and process, shared by its threads; `connection_to` gives it.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

import httpcore
import httpx

from tasks.archive.dicomweb.credentials import Account, base_address
from tasks.archive.dicomweb.failures import TryAgain, broken, pauses, refused
from tasks.archive.dicomweb.transport import Deadline, Transport, answer_by
from tasks.archive.load import Load
from tasks.archive.tls import client_context
from tasks.outcomes import ArchiveError, ConfigurationError
from tasks.settings import DicomWeb, Network

# What was asked for; 206 says that the server left something out of it, which shows in what is there.
_CAME = frozenset({HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT})
# An answer that says that there is nothing.
NOTHING = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
# What we ask for at most. An answer that is packed twice unpacks a thousand times a thousand-fold, which no
# limit on what has been unpacked would stop in time.
_ENCODINGS = frozenset({"", "identity", "gzip"})
_PLAIN_JSON = {"Accept": "application/json", "Accept-Encoding": "gzip"}
BYTES_PER_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came.

    Attributes:
        status: 200 or 206, or one that says that there is nothing.
        kind: its Content-Type, as written.
        body: without content encoding; empty where there is nothing.
        moved: bytes of bodies that came over the network, in all tries.
    """

    status: int
    kind: str
    body: bytes
    moved: int


@dataclass(slots=True)
class _Question:
    """A request under way.

    Attributes:
        limit_bytes: a longer body is refused.
        deadline: of the whole answer, all tries included.
        abandoned: once set, nobody waits for the answer any more.
        moved: as in `Answer`.
    """

    request: httpx.Request
    limit_bytes: int
    deadline: Deadline
    abandoned: threading.Event
    moved: int = 0


class Connection:
    """Questions to one server. Safe for use by several threads.

    Attributes:
        base: address of the DICOMweb service, without a slash at its end.
        threads: as many as there may be requests, for questions whose answers are needed later.

    Args:
        address: of the DICOMweb service.
        settings, network: how it is reached, and how long is waited.
        load: how much is asked of it.

    Raises:
        ConfigurationError: when the address, an account or a certificate cannot be used.
    """

    def __init__(self, address: str, settings: DicomWeb, network: Network, load: Load) -> None:
        self.base = base_address(address)
        self._network = network
        self._load = load
        context = client_context(settings) if self.base.scheme == "https" else None
        self._transport = Transport(context, load.max_requests)
        self._client = httpx.Client(
            transport=self._transport,
            auth=Account(settings),
            headers={"User-Agent": "osteoscreen"},
            timeout=httpx.Timeout(network.read_timeout_s, connect=network.connect_timeout_s),
            follow_redirects=False,
            trust_env=False,
        )
        self.threads = ThreadPoolExecutor(load.max_requests, thread_name_prefix="dicomweb")

    def get(
        self,
        path: str,
        headers: dict[str, str],
        *,
        limit_bytes: int,
        params: httpx.QueryParams | None = None,
        abandoned: threading.Event | None = None,
    ) -> Answer:
        """Ask for a resource of the service; see `ask`."""
        url = self.base.copy_with(path=f"{self.base.path}/{path}")
        request = self._client.build_request("GET", url, params=params, headers=headers)
        return self.ask(request, limit_bytes, abandoned)

    def get_json(self, url: httpx.URL, limit_bytes: int) -> Answer:
        """Ask for JSON at any address of the server; see `ask`."""
        return self.ask(self._client.build_request("GET", url, headers=_PLAIN_JSON), limit_bytes)

    def post_json(self, url: httpx.URL, content: object, limit_bytes: int) -> Answer:
        """Send JSON to any address of the server, for JSON; see `ask`."""
        request = self._client.build_request("POST", url, json=content, headers=_PLAIN_JSON)
        return self.ask(request, limit_bytes)

    def ask(
        self, request: httpx.Request, limit_bytes: int, abandoned: threading.Event | None = None
    ) -> Answer:
        """Ask, again where that helps, until there is an answer or time is up.

        Args:
            limit_bytes: a longer body is refused.
            abandoned: once set, nobody waits for the answer any more.

        Raises:
            ArchiveError: when there is no usable answer.
        """
        deadline = Deadline(time.monotonic() + self._network.answer_timeout_s)
        question = _Question(request, limit_bytes, deadline, abandoned or threading.Event())
        left = pauses(self._network.retries)
        while True:
            try:
                return self._try(question)
            except TryAgain as failed:
                pause_s = next(left, None)
                if pause_s is None:
                    raise ArchiveError(f"The archive was asked in vain: {failed.why}.") from None
                pause_s = max(pause_s, failed.after_s)
                if pause_s >= deadline.left_s:
                    within = f"{self._network.answer_timeout_s:g} s"
                    raise ArchiveError(f"The archive gave no answer within {within}: {failed.why}.") from None
                question.abandoned.wait(pause_s)
            if question.abandoned.is_set():
                raise _Abandoned

    def close(self) -> None:
        """Let go of connections; another question opens new ones."""
        self._transport.close()

    def _try(self, question: _Question) -> Answer:
        try:
            with self._load.request(question.deadline.left_s), answer_by(question.deadline):
                response = self._client.send(question.request, stream=True)
                try:
                    return self._read(response, question)
                finally:
                    response.close()
        except TimeoutError:
            raise TryAgain("other answers took all of the time") from None
        except httpcore.TimeoutException:
            raise TryAgain("it was silent for too long") from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise broken(error) from None
        except httpx.DecodingError:
            raise TryAgain("an answer came damaged") from None
        except ConfigurationError as error:  # a secret file that can no longer be read
            raise ArchiveError(str(error)) from None

    def _read(self, response: httpx.Response, question: _Question) -> Answer:
        kind = response.headers.get("Content-Type", "")
        if response.status_code in NOTHING:
            return Answer(response.status_code, kind, b"", question.moved)
        if response.status_code not in _CAME:
            raise refused(response)
        if response.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
            raise ArchiveError("The archive packs its answer in a way that was not asked for.")
        declared = response.headers.get("Content-Length", "")
        _check_size(int(declared) if declared.isdecimal() else 0, question.limit_bytes)
        parts: list[bytes] = []
        length = counted = 0
        for part in response.iter_bytes():
            parts.append(part)
            length += len(part)
            _check_size(length, question.limit_bytes)
            came = response.num_bytes_downloaded - counted
            counted += came
            question.moved += came
            question.deadline.at_s += self._load.spend(came)
            if question.deadline.left_s < 0:
                raise TryAgain("an answer came too slowly")
            if question.abandoned.is_set():
                raise _Abandoned
        return Answer(response.status_code, kind, b"".join(parts), question.moved)


@cache
def connection_to(address: str, settings: DicomWeb, network: Network, load: Load) -> Connection:
    """The connection of this process to a server."""
    return Connection(address, settings, network, load)


class _Abandoned(ArchiveError):  # noqa: N818 - nobody is there to see it
    """Nobody waits for the answer any more."""


def _check_size(length: int, limit_bytes: int) -> None:
    if length > limit_bytes:
        raise ArchiveError(f"The archive's answer is longer than {limit_bytes / BYTES_PER_MIB:.0f} MiB.")
