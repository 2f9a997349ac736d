"""Who hears of a run that broke, and what; nothing of a patient, and nothing that breaks in turn."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows.notify import describe, post, run_command, tell_of_failure
from flows.tally import ConservationError

FAILED = "Flow run encountered an exception: "


class Hook(BaseHTTPRequestHandler):
    """Keeps what was posted to it."""

    heard: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append(json.loads(body))
        self.send_response(200 if self.path == "/hook" else 500)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a web hook, and what it has heard."""
    heard: list[dict[str, Any]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Keeping", (Hook,), {"heard": heard}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    server.server_close()


def broken(message: str) -> tuple[Any, Any, Any]:
    """What Prefect gives to a hook."""
    return (
        SimpleNamespace(name="night"),
        SimpleNamespace(name="brave-owl", id="0b1"),
        SimpleNamespace(name="Failed", message=message),
    )


@pytest.mark.parametrize(
    ("message", "error", "adds_up"),
    [
        (f"{FAILED}ArchiveError: no answer from /archive/Doe^Jane", "ArchiveError", True),
        (f"{FAILED}{ConservationError.__name__}: 5 found, 4 have a row", "ConservationError", False),
        (f"{FAILED}Doe^Jane: 1950", "unknown", True),
        ("Flow run process exited with non-zero status code -9.", "unknown", True),
        ("", "unknown", True),
    ],
)
def test_the_kind_of_error_is_told_and_never_its_text(message: str, error: str, adds_up: bool) -> None:
    document = describe("night", "brave-owl", "0b1", "Failed", message)
    assert (document["error"], document["tally_adds_up"]) == (error, adds_up)
    assert "Doe" not in json.dumps(document)
    assert "1950" not in json.dumps(document)


def test_hook_and_program_of_the_settings_hear_the_same(
    hook: tuple[str, list[dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, heard = hook
    copy = f"import sys; open({str(tmp_path / 'told')!r}, 'w').write(sys.stdin.read())"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OSTEOSCREEN_CALENDAR__NOTIFY_URL", f"{url}/hook")
    monkeypatch.setenv("OSTEOSCREEN_CALENDAR__NOTIFY_COMMAND", json.dumps([sys.executable, "-c", copy]))
    tell_of_failure(*broken(f"{FAILED}ArchiveError: no answer"))
    (document,) = heard
    assert document["error"] == "ArchiveError"
    assert json.loads((tmp_path / "told").read_text()) == document


def test_what_cannot_be_told_is_logged_without_the_secret_address(
    hook: tuple[str, list[dict[str, Any]]], caplog: pytest.LogCaptureFixture
) -> None:
    url, _ = hook
    with caplog.at_level(logging.INFO):
        post(f"{url}/refusing/T0K3N", {})
        post("http://127.0.0.1:1/T0K3N", {})
        post("no address/T0K3N", {})
        run_command(["/nowhere/at/all"], {})
        run_command([sys.executable, "-c", "raise SystemExit(3)"], {})
    assert len([record for record in caplog.records if record.name == "flows.notify"]) == 5
    assert "T0K3N" not in caplog.text


def test_settings_that_cannot_be_read_do_not_break_the_hook(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OSTEOSCREEN_CALENDAR__NIGHT", "never")
    tell_of_failure(*broken(f"{FAILED}ArchiveError: no answer"))
