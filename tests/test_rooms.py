"""Rooms import one way: a step what stands before it in the night, never what comes after."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STEPS = ("archive", "select", "volume", "locate", "measure", "infer", "score", "explain", "publish")
GROUND = frozenset(path.stem for path in (ROOT / "tasks").glob("*.py")) - {"__init__"}
MAY_IMPORT = {
    "dicom": frozenset[str](),
    "phantom": frozenset({"dicom"}),
    **{step: frozenset({"dicom", *STEPS[:number]}) for number, step in enumerate(STEPS)},
    "learn": frozenset({"dicom", "phantom", *STEPS}),
}


def imported_rooms(module: Path) -> Iterator[str]:
    """First and second part of the name of every module of ours that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            first, _, rest = name.partition(".")
            if first == "tasks":
                yield rest.partition(".")[0]
            elif first in ("flows", "tests"):
                yield first


def test_every_room_has_its_place() -> None:
    rooms = {path.parent.name for path in (ROOT / "tasks").glob("*/__init__.py")}
    assert rooms == MAY_IMPORT.keys()


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_stands_before_it(room: str) -> None:
    modules = sorted((ROOT / "tasks" / room).rglob("*.py"))
    assert modules
    allowed = MAY_IMPORT[room] | GROUND | {room}
    assert {
        str(module.relative_to(ROOT)): astray
        for module in modules
        if (astray := set(imported_rooms(module)) - allowed)
    } == {}


def test_what_all_steps_stand_on_stands_on_none_of_them() -> None:
    imports = {name: set(imported_rooms(ROOT / "tasks" / f"{name}.py")) - GROUND for name in GROUND}
    assert {name: astray for name, astray in imports.items() if astray} == {}
