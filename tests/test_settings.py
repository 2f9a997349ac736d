"""Where settings come from, which of them wins, and what is said of one that cannot be used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.outcomes import ConfigurationError
from tasks.settings import CONFIG_FILE, Settings, load_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, and an environment without settings."""
    for name in list(os.environ):
        if name.startswith("OSTEOSCREEN_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_without_anything_the_defaults_hold() -> None:
    settings = load_settings()
    assert settings.lake == Path("lake")
    assert settings.eligibility.min_age_years == 50
    assert settings.eligibility.unknown_age == "exclude"
    assert settings.cluster.kind == "local"
    assert settings.triton_url is None


def test_file_then_environment_then_flags(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / CONFIG_FILE).write_text(
        'lake = "of_file"\nsettle_minutes = 7\n[eligibility]\nmin_age_years = 55\n'
    )
    settings = load_settings()
    assert (settings.lake, settings.settle_minutes) == (Path("of_file"), 7)
    monkeypatch.setenv("OSTEOSCREEN_LAKE", "of_environment")
    assert load_settings().lake == Path("of_environment")
    assert load_settings(lake=Path("of_flag")).lake == Path("of_flag")
    assert load_settings(lake=Path("of_flag")).eligibility.min_age_years == 55


def test_a_flag_that_was_not_given_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEOSCREEN_LAKE", "of_environment")
    assert load_settings(lake=None).lake == Path("of_environment")


def test_one_nested_setting_of_the_environment_leaves_its_neighbours(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / CONFIG_FILE).write_text("[eligibility]\nmin_age_years = 60\n")
    monkeypatch.setenv("OSTEOSCREEN_ELIGIBILITY__UNKNOWN_AGE", "warn")
    eligibility = load_settings().eligibility
    assert (eligibility.min_age_years, eligibility.unknown_age) == (60, "warn")


@pytest.mark.parametrize(
    ("name", "value", "where"),
    [
        ("OSTEOSCREEN_SETTLE_MINUTES", "-1", "settle_minutes"),
        ("OSTEOSCREEN_ELIGIBILITY__MIN_AGE_YEARS", "old", "eligibility.min_age_years"),
        ("OSTEOSCREEN_ELIGIBILITY__UNKNOWN_AGE", "maybe", "eligibility.unknown_age"),
        ("OSTEOSCREEN_ELIGIBILITY__MIN_AGE", "50", "eligibility.min_age"),
        ("OSTEOSCREEN_CLUSTER__KIND", "cloud", "cluster.kind"),
        ("OSTEOSCREEN_CLUSTER__WORKERS", "0", "cluster.workers"),
        ("OSTEOSCREEN_CLUSTER__STUDY_TIMEOUT_S", "0", "cluster.study_timeout_s"),
        ("OSTEOSCREEN_SCORING__MODEL_HIGH", "0.1", "scoring"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    name: str, value: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=where):
        load_settings()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OSTEOSCREEN_TRITON_ULR", "OSTEOSCREEN_TRITON_URL"),
        ("OSTEOSCREEN_ELIGIBILTY__UNKNOWN_AGE", "OSTEOSCREEN_ELIGIBILITY__UNKNOWN_AGE"),
        ("OSTEOSCREEN_LAKE__FOLDER", "OSTEOSCREEN_LAKE"),
        ("osteoscreen_settle_minute", "OSTEOSCREEN_SETTLE_MINUTES"),
    ],
)
def test_a_misspelt_variable_is_an_error_that_names_the_right_one(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigurationError, match=f"{name} .*{meant} is meant"):
        load_settings()


def test_a_variable_like_no_setting_is_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEOSCREEN_QQQ", "1")
    with pytest.raises(ConfigurationError, match="OSTEOSCREEN_QQQ of the environment is no setting"):
        load_settings()


def test_variables_of_the_tests_and_of_the_server_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEOSCREEN_TEST_DATA", "somewhere")
    monkeypatch.setenv("OSTEOSCREEN_TRITON_THREADS", "2")
    monkeypatch.setenv("OSTEOSCREEN_TUBE_VOLTAGE__MEAN_HU", '{"100": 150, "120": 140}')
    assert load_settings().tube_voltage.mean_hu == {100: 150, 120: 140}


@pytest.mark.parametrize(
    ("name", "value"),
    [("OSTEOSCREEN_ELIGIBILITY", "{min_age_years: 50}"), ("OSTEOSCREEN_VERTEBRAE__LEVELS", "T12,L1")],
)
def test_a_variable_that_is_no_json_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEOSCREEN_ELIGIBILITY__UNKNOWN_AGE", "warn")
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"cannot be used: {name} must hold JSON"):
        load_settings()


def test_every_bad_setting_is_named_in_one_message(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / CONFIG_FILE).write_text('unheard_of = 1\n[cluster]\nkind = "cloud"\n')
    monkeypatch.setenv("OSTEOSCREEN_ELIGIBILITY__MIN_AGE_YEARS", "-3")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    for where in ("unheard_of", "cluster.kind", "eligibility.min_age_years"):
        assert where in str(caught.value)


def test_a_file_that_is_no_toml_is_named(folder: Path) -> None:
    (folder / CONFIG_FILE).write_text("lake = \n")
    with pytest.raises(ConfigurationError, match=CONFIG_FILE):
        load_settings()


def test_the_secret_is_never_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEOSCREEN_PATIENT_KEY_SECRET", "do-not-show")
    settings = load_settings()
    assert settings.patient_key_secret is not None
    assert settings.patient_key_secret.get_secret_value() == "do-not-show"
    assert "do-not-show" not in repr(settings)
    assert "do-not-show" not in settings.model_dump_json()
    assert "do-not-show" not in repr(settings.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('patient_key_secret = "do-not-show"', "patient_key_secret"),
        ('[dicomweb]\nuser = "night"\npassword = "do-not-show"', "dicomweb.password"),
        ('[dicomweb]\ntoken = "do-not-show"', "dicomweb.token"),
        ('[calendar]\nnotify_url = "do-not-show"', "calendar.notify_url"),
    ],
)
def test_a_file_with_a_secret_is_for_its_owner_only(folder: Path, content: str, named: str) -> None:
    file = folder / CONFIG_FILE
    file.write_text(content)
    for mode in (0o644, 0o640, 0o604):
        file.chmod(mode)
        with pytest.raises(ConfigurationError, match=f"{named} and may be read by others") as refused:
            load_settings()
        assert "do-not-show" not in str(refused.value)
    file.chmod(0o600)
    assert "do-not-show" not in repr(load_settings())


def test_a_file_without_a_secret_may_be_read_by_all(folder: Path) -> None:
    (folder / CONFIG_FILE).write_text('[dicomweb]\nuser = "night"\nsecret_file = "elsewhere"\n')
    (folder / CONFIG_FILE).chmod(0o644)
    assert load_settings().dicomweb.user == "night"


def test_what_others_are_started_with_is_never_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEOSCREEN_CALENDAR__NOTIFY_COMMAND", '["curl", "-H", "X-Key: do-not-show"]')
    monkeypatch.setenv("OSTEOSCREEN_CLUSTER__OPTIONS", '{"env": {"KEY": "do-not-show"}}')
    settings = load_settings()
    assert settings.calendar.notify_command[-1].endswith("do-not-show")
    assert settings.cluster.options["env"] == {"KEY": "do-not-show"}
    for shown in (repr(settings), settings.model_dump_json(), str(settings.model_dump(mode="json"))):
        assert "do-not-show" not in shown


def test_settings_cannot_be_changed_by_a_step() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(Settings().eligibility, "min_age_years", 18)  # noqa: B010 - mypy knows that it is frozen
