"""What is deployed: schedule and zone, forms, limits, and flows that are loaded with their hooks."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import load_flow_from_entrypoint

from flows.deployments import deployments
from flows.notify import tell_of_failure
from tasks.outcomes import ConfigurationError
from tasks.settings import Settings, load_settings


def settings(lake: Path, **calendar: str) -> Settings:
    return load_settings(lake=lake, calendar={"time_zone": "Europe/Berlin", **calendar})


def test_the_night_comes_every_night_by_the_clock_of_its_zone(tmp_path: Path) -> None:
    night, _ = deployments("/archive", settings(tmp_path, night="23:30"))
    assert night.schedules is not None
    schedules = [made.schedule for made in night.schedules]
    crons = [(made.cron, made.timezone) for made in schedules if isinstance(made, CronSchedule)]
    assert crons == [("30 23 * * *", "Europe/Berlin")]


def test_the_backfill_comes_by_hand_with_a_form(tmp_path: Path) -> None:
    _, backfill = deployments("/archive", settings(tmp_path))
    assert not backfill.schedules
    form = backfill._parameter_openapi_schema
    assert form is not None
    assert {"archive", "first_day", "last_day"} == set(form.required)
    assert form.properties["first_day"]["format"] == "date"
    assert form.properties["only"]["description"].startswith("Hours to work in")
    assert {"minimum": 1, "type": "integer"} in form.properties["max_requests"]["anyOf"]
    assert backfill.parameters == {
        "archive": "/archive",
        "lake": str(tmp_path),
        "show_progress": False,
    }


def test_each_runs_once_at_a_time_and_is_loaded_with_its_hooks(tmp_path: Path) -> None:
    for deployment in deployments("/archive", settings(tmp_path)):
        assert deployment.concurrency_limit == 1
        loaded: Flow[..., object] = load_flow_from_entrypoint(str(deployment.entrypoint))
        assert loaded.name == deployment.flow_name
        assert tell_of_failure in loaded.on_failure_hooks
        assert tell_of_failure in loaded.on_crashed_hooks


def test_an_unknown_zone_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="time zone"):
        deployments("/archive", settings(tmp_path, time_zone="Europe/Nowhere"))
