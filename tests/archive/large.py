"""A DICOMweb archive of as many studies as wished behind a real HTTP server; it holds lists, no images."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_SERIES = re.compile(r"/dicom-web/studies/([\d.]+)/series")
CT_IMAGES = 250


@dataclass
class LargeArchive:
    """What is told, and what was asked.

    Attributes:
        studies: how many there are, from `study_uid(0)` on.
        page: most entries of one answer, whatever is asked for; it does not say so.
        grown: numbers of studies that hold one image more.
        asked: how many requests of each kind: `studies`, `series`, `other`.
    """

    studies: int
    page: int
    grown: frozenset[int] = frozenset()
    asked: Counter[str] = field(default_factory=Counter)
    address: str = ""

    def answer(self, target: str) -> bytes | None:
        """The body of an answer; None for what is not there."""
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        offset, limit = int(query.get("offset", 0)), min(int(query.get("limit", self.page)), self.page)
        if url.path == "/dicom-web/studies":
            self.asked["studies"] += 1
            numbers = range(offset, min(offset + limit, self.studies))
            return json.dumps([self._study(number) for number in numbers]).encode()
        if found := _SERIES.fullmatch(url.path):
            self.asked["series"] += 1
            number = int(found[1].rpartition(".")[2])
            return json.dumps(self._series(number)[offset : offset + limit]).encode()
        self.asked["other"] += 1
        return None

    def _images(self, number: int) -> int:
        return CT_IMAGES + (number in self.grown)

    def _study(self, number: int) -> dict[str, object]:
        return {
            "0020000D": _value("UI", study_uid(number)),
            "00080020": _value("DA", f"{2019 + number % 6}0{1 + number % 9}1{number % 9}"),
            "00080061": _value("CS", "CT"),
            "00100020": _value("LO", f"P{number % 30_000}"),
            "00100010": _value("PN", {"Alphabetic": f"Name{number}^First"}),
            "00201206": _value("IS", 2),
            "00201208": _value("IS", self._images(number) + 1),
        }

    def _series(self, number: int) -> list[dict[str, object]]:
        uid = study_uid(number)
        return [
            {
                "0020000E": _value("UI", f"{uid}.{at}"),
                "00080060": _value("CS", modality),
                "00201209": _value("IS", images),
            }
            for at, (modality, images) in enumerate([("CT", self._images(number)), ("SR", 1)])
        ]


def study_uid(number: int) -> str:
    """The StudyInstanceUID of the study of a number."""
    return f"1.2.840.99.{number}"


@contextmanager
def serving(archive: LargeArchive) -> Iterator[str]:
    """The address of the archive's DICOMweb, for as long as the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = archive.answer(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Nothing: requests are counted."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/dicom-web"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _value(kind: str, value: object) -> dict[str, object]:
    return {"vr": kind, "Value": [value]}
