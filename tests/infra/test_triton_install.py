"""The environment of the embedded server: pinned, and complete on a Debian without libpython."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "infra" / "triton"


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    specification = importlib.util.spec_from_file_location("triton_install", FOLDER / "install.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.setattr(module, "VERSION", "3.11")
    return module


def test_every_requirement_is_pinned() -> None:
    lines = [
        line for line in (FOLDER / "requirements.lock").read_text().splitlines() if line[:1] not in {"", "#"}
    ]
    assert {line.split("==")[0] for line in lines} >= {"nvidia-pytriton", "onnxruntime", "numpy"}
    assert all(re.fullmatch(r"[a-z0-9_-]+==[0-9.]+", line) for line in lines)


def fake_run(install: ModuleType, monkeypatch: pytest.MonkeyPatch, *, lists: bool) -> list[tuple[str, ...]]:
    """In place of apt-get and dpkg-deb; without package lists the first download fails."""
    asked: list[tuple[str, ...]] = []

    def run(*command: str, folder: str) -> None:
        asked.append(command)
        if command[:2] == ("apt-get", "download") and not lists:
            raise subprocess.CalledProcessError(100, command)
        if "download" in command:
            Path(folder, "libpython.deb").touch()
        if command[0] == "dpkg-deb":
            library = Path(folder, "content", "usr", "lib", install.LIBRARY)
            library.parent.mkdir(parents=True)
            library.write_bytes(b"library")

    monkeypatch.setattr(install, "_quietly", run)
    return asked


@pytest.mark.parametrize(("lists", "updates"), [(True, 0), (False, 1)])
def test_the_library_comes_out_of_the_debian_package(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lists: bool, updates: int
) -> None:
    asked = fake_run(install, monkeypatch, lists=lists)
    install._take_library_from_debian(tmp_path)
    assert (tmp_path / install.LIBRARY).read_bytes() == b"library"
    assert sum("update" in command for command in asked) == updates
    assert not any("install" in command for command in asked)


def test_where_it_cannot_be_had_the_way_out_is_named(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(*_command: str, folder: str) -> None:
        raise FileNotFoundError("apt-get")

    monkeypatch.setattr(install, "_quietly", run)
    with pytest.raises(SystemExit, match=f"apt-get install {install.PACKAGE}"):
        install._take_library_from_debian(tmp_path)


def test_it_wants_one_folder(install: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert install.main([]) == 2
    assert "usage" in capsys.readouterr().err
