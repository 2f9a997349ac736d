"""What a run writes down of itself: its settings, and no secret of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.night import open_night
from tasks.settings import load_settings

HIDDEN = "do-not-show"
SECRETS = {
    "PATIENT_KEY_SECRET": HIDDEN,
    "DICOMWEB__USER": "night",
    "DICOMWEB__PASSWORD": HIDDEN,
    "DICOMWEB__TOKEN": HIDDEN,
    "CALENDAR__NOTIFY_URL": f"https://hook.example/{HIDDEN}",
    "CALENDAR__NOTIFY_COMMAND": json.dumps(["tell", HIDDEN]),
    "CLUSTER__OPTIONS": json.dumps({"env": {"KEY": HIDDEN}}),
}


def test_no_secret_of_the_settings_is_written_into_the_lake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(f"OSTEOSCREEN_{name}", value)
    with open_night(load_settings(lake=tmp_path / "lake")):
        pass
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    (record,) = (path for path in written if path.suffix == ".json")
    assert json.loads(record.read_text())["settings"]["dicomweb"]["user"] == "night"
    assert [path.name for path in written if HIDDEN.encode() in path.read_bytes()] == []
