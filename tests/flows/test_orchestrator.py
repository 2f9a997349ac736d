"""`configure_prefect`: where the embedded server lives, and which folders can become a lake."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.orchestrator import check_apart, configure_prefect
from tasks.outcomes import ConfigurationError


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set here must not outlive the test."""
    for name in (
        "PREFECT_SERVER_ANALYTICS_ENABLED",
        "PREFECT_LOGGING_LEVEL",
        "PREFECT_LOGGING_TO_API_ENABLED",
        "PREFECT_API_URL",
        "PREFECT_HOME",
        "PREFECT_SERVER_REGISTER_BLOCKS_ON_START",
        "DO_NOT_TRACK",
    ):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_a_night_killed_before_the_lake_stood_can_be_started_again(tmp_path: Path) -> None:
    configure_prefect(tmp_path / "lake")
    assert (tmp_path / "lake" / ".prefect").is_dir()
    configure_prefect(tmp_path / "lake")


def test_a_folder_of_other_things_does_not_become_a_lake(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="holds other things"):
        configure_prefect(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["letters.txt"]


def test_a_file_does_not_become_a_lake(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("mine")
    with pytest.raises(ConfigurationError, match="is a file"):
        configure_prefect(tmp_path / "lake")


@pytest.mark.parametrize(
    ("archive", "lake"), [("x", "x/lake"), ("lake/archive", "lake"), ("x", "x"), ("x", "link/lake")]
)
def test_a_night_must_not_read_what_it_writes(archive: str, lake: str, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "link").symlink_to("x")
    with pytest.raises(ConfigurationError, match="one in the other"):
        check_apart(tmp_path / archive, tmp_path / lake)
    check_apart(tmp_path / "x", tmp_path / "xlake")
