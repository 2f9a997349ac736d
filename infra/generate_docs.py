"""Writes the pages that are generated from code: docs/configuration.md and docs/tables.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from tasks.schema import document as tables
from tasks.settings import CONFIG_FILE, Settings

DOCS = Path(__file__).parents[1] / "docs"
HEAD = f"""# Configuration

Generated from `tasks/settings.py` by `make docs`; edit there.

Settings come from `{CONFIG_FILE}` in the working folder, then from the environment, then from flags; the
later wins. In the environment a setting is `OSTEOSCREEN_` and its name in capitals, sections joined by two
underscores: `eligibility.min_age_years` is `OSTEOSCREEN_ELIGIBILITY__MIN_AGE_YEARS`.

"""


def configuration() -> str:
    """The text of docs/configuration.md."""
    sections: dict[str, list[str]] = {"": []}
    for name, value in Settings.model_fields.items():
        default = value.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            sections[name] = [_row(f"{name}.{key}", item) for key, item in type(default).model_fields.items()]
        else:
            sections[""].append(_row(name, value))
    return HEAD + "\n".join(_chapters(sections))


def _chapters(sections: dict[str, list[str]]) -> Iterator[str]:
    for name, rows in sections.items():
        about = (
            type(getattr(Settings.model_fields.get(name), "default", None)).__doc__
            if name
            else "At the top level."
        )
        yield f"## {name or 'general'}\n\n{about}\n\n| setting | default | meaning |\n|---|---|---|"
        yield "\n".join(rows) + "\n"


def _row(name: str, field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    shown = "" if default is None or isinstance(default, SecretStr) else f"`{_plain(default)}`"
    return f"| `{name}` | {shown} | {(field.description or '').replace('|', '∣')} |"


def _plain(value: object) -> str:
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if isinstance(value, tuple | list):
        return "; ".join(_plain(item) for item in value)
    return str(value)


def main() -> None:
    """Write both pages."""
    (DOCS / "configuration.md").write_text(configuration(), encoding="utf-8")
    (DOCS / "tables.md").write_text(tables(), encoding="utf-8")


if __name__ == "__main__":
    main()
