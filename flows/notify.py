"""Word of a run that broke, to whoever the settings name: a web hook, a program, or both.

What is sent tells which run it was and what kind of error, and nothing of any study or patient: an error's
own text stays in the logs.
"""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import httpx

from tasks.outcomes import ConfigurationError
from tasks.settings import load_settings

if TYPE_CHECKING:
    from prefect import Flow, State
    from prefect.client.schemas import FlowRun

# Nobody waits for the word to arrive, but the process that sends it.
_WITHIN_S = 10.0
_CONSERVATION = "ConservationError"

log = logging.getLogger(__name__)
# Its lines hold whole addresses.
logging.getLogger("httpx").setLevel(logging.WARNING)


def tell_of_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A Prefect hook for runs that failed or crashed; raises nothing."""
    try:
        calendar = load_settings().calendar
    except ConfigurationError as error:
        log.error("nobody is told of a broken run: %s", error)
        return
    document = describe(flow.name, flow_run.name, str(flow_run.id), state.name or "", state.message or "")
    if calendar.notify_url is not None:
        post(calendar.notify_url.get_secret_value(), document)
    if calendar.notify_command:
        run_command(calendar.notify_command, document)


def describe(flow: str, run: str, run_id: str, state: str, message: str) -> dict[str, object]:
    """What is told of a run.

    Args:
        message: Prefect's, which has the kind of error before the error's own text.
    """
    kind = next((word for word in message.split(": ")[1:2] if word.isidentifier()), "")
    return {
        "flow": flow,
        "run": run,
        "run_id": run_id,
        "state": state,
        "error": kind or "unknown",
        "tally_adds_up": kind != _CONSERVATION,
    }


def post(url: str, document: dict[str, object]) -> None:
    """Send a document to a web hook; a failure is logged, without the address, which may hold a secret."""
    try:
        with httpx.stream("POST", url, json=document, timeout=_WITHIN_S) as answer:  # its body is nobody's
            answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.error("the web hook could not be told of a broken run (%s)", type(error).__name__)


def run_command(command: Sequence[str], document: dict[str, object]) -> None:
    """Give a document to a program on standard input; a failure is logged."""
    try:
        subprocess.run(
            command,
            input=json.dumps(document) + "\n",
            stdout=subprocess.DEVNULL,
            text=True,
            timeout=_WITHIN_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.error("the program could not be told of a broken run (%s)", type(error).__name__)
