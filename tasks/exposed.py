"""Which secrets a settings file shows to others: one that may be read by them must hold none."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, SecretStr

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def exposed_secrets(settings: type[BaseModel], file: Path) -> tuple[str, ...]:
    """Names of the secret settings in a TOML file that others than its owner may read; none without a file.

    Raises:
        ValueError, OSError: when it is no TOML, or cannot be read.
    """
    try:
        with file.open("rb") as opened:
            content = tomllib.load(opened)
            mode = file.stat().st_mode
    except FileNotFoundError:
        return ()
    return tuple(_secrets(settings, content)) if mode & _OTHERS else ()


def _secrets(model: type[BaseModel], content: Mapping[str, object]) -> Iterator[str]:
    for name, value in content.items():
        field = model.model_fields.get(name)
        kind = field.annotation if field else None
        if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, Mapping):
            yield from (f"{name}.{below}" for below in _secrets(kind, value))
        elif kind in (SecretStr, SecretStr | None):
            yield name
