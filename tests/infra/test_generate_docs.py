"""The pages that repeat code say what the code says now."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """infra/generate_docs.py, which is a script and no package."""
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "infra" / "generate_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["configuration", "tables"])
def test_the_page_is_current(page: str, generator: ModuleType) -> None:
    written = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    assert written == getattr(generator, page)(), f"docs/{page}.md is out of date: run `make docs`"


def test_every_setting_is_explained(generator: ModuleType) -> None:
    rows = [line for line in generator.configuration().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert [row for row in rows if row.endswith("|  |")] == []
