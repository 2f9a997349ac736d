"""`osteoscreen deploy` for real: what is registered, a run by hand, one that breaks, the stop."""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.archive.files import write_image
from tests.flows.command import osteoscreen, start

pytestmark = pytest.mark.slow

WITHIN_S = 240.0
ENDS = ("Completed", "Failed", "Crashed")


@dataclass
class Served:
    """Deployments being served."""

    api: httpx.Client
    deployments: dict[str, str]
    archive: Path
    lake: Path
    told: Path

    def start(self, which: str, **parameters: str) -> str:
        """Start a run as the page does; returns its id."""
        document = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        deadline_s = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline_s:
            answer = self.api.post(f"deployments/{self.deployments[which]}/create_flow_run", json=document)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:  # Prefect's database is busy: ask again
                return str(answer.raise_for_status().json()["id"])
            time.sleep(1.0)
        pytest.fail(f"no run can be started within {WITHIN_S:.0f} s")

    def end_of(self, run: str) -> str:
        deadline_s = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline_s:
            state = str(self.api.get(f"flow_runs/{run}").raise_for_status().json()["state_name"])
            if state in ENDS:
                return state
            time.sleep(1.0)
        pytest.fail(f"a run has not ended within {WITHIN_S:.0f} s")

    def notice(self) -> dict[str, object]:
        """What the notify command was told; it is called after the state of the run has changed."""
        deadline_s = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline_s:
            text = self.told.read_text() if self.told.exists() else ""
            if text:
                return dict(json.loads(text))
            time.sleep(0.2)
        pytest.fail(f"nobody was told within {WITHIN_S:.0f} s")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("deploy")
    write_image(folder / "archive" / "one", StudyDate="20240315")
    told = folder / "told"
    program = (  # whole or not at all
        "import os, sys; part, told = sys.argv[1:]; "
        "open(part, 'w').write(sys.stdin.read()); os.rename(part, told)"
    )
    command = [sys.executable, "-c", program, str(folder / "part"), str(told)]
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = int(holder.getsockname()[1])
    running = start(
        "deploy", "archive", "--lake", "lake", "--port", str(port), cwd=folder,
        CALENDAR__TIME_ZONE="Europe/Berlin",
        CALENDAR__NOTIFY_COMMAND=json.dumps(command),
    )  # fmt: skip
    api = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/", timeout=60.0)
    try:
        yield Served(api, registered(api), folder / "archive", folder / "lake", told)
        running.process.send_signal(signal.SIGTERM)
        out, err = running.process.communicate(timeout=WITHIN_S)
        assert (running.process.returncode, f":{port}/deployments" in out, "Traceback" in err) == (
            0,
            True,
            False,
        )
        assert running.wait_until_gone(30.0) == []
    finally:
        api.close()
        if running.process.poll() is None:
            running.kill()


def registered(api: httpx.Client) -> dict[str, str]:
    """The ids of the deployments by the names of their flows, once both are there."""
    deadline_s = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline_s:
        try:
            found = api.post("deployments/filter", json={}).json()
        except httpx.TransportError:
            found = []
        if len(found) == 2:
            return {item["entrypoint"].rsplit(".", 1)[1]: item["id"] for item in found}
        time.sleep(0.5)
    pytest.fail(f"nothing is registered within {WITHIN_S:.0f} s")


def test_the_night_is_scheduled(served: Served) -> None:
    night = served.api.get(f"deployments/{served.deployments['night']}").json()
    (schedule,) = night["schedules"]
    assert (schedule["schedule"]["cron"], schedule["schedule"]["timezone"]) == ("0 1 * * *", "Europe/Berlin")
    assert schedule["active"]
    assert night["parameters"]["archive"] == str(served.archive)


def test_a_backfill_by_hand_runs_to_its_end_and_a_broken_one_is_told(served: Served) -> None:
    good = served.start("backfill", first_day="2020-01-01", last_day="2020-12-31", only="00:00-23:59")
    assert served.end_of(good) == "Completed"
    answer = osteoscreen("backfill", "--status", "--json", "--lake", served.lake, cwd=served.lake.parent)
    assert json.loads(answer.out)["hours"] == "00:00-23:59 Europe/Berlin"
    broken = served.start("backfill", first_day="2020-12-31", last_day="2020-01-01")
    assert served.end_of(broken) == "Failed"
    document = served.notice()
    assert (document["run_id"], document["flow"]) == (broken, "backfill")
    assert (document["error"], document["tally_adds_up"]) == ("ConfigurationError", True)
