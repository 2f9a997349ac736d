"""Which variables of the environment are settings, and what is said of one that is none.

pydantic-settings reads the variables whose names it knows and passes over the others, so that a misspelt name
would leave a default in force without a word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import get_origin

from pydantic import BaseModel

PREFIX = "OSTEOSCREEN_"
DELIMITER = "__"
#: Read by others: by the tests, and by the embedded Triton server's model.
OTHERS_PREFIX = f"{PREFIX}TEST_"
OTHERS = frozenset({f"{PREFIX}TRITON_THREADS"})


def unknown_variables(settings: type[BaseModel], environment: Mapping[str, str]) -> tuple[str, ...]:
    """What to say of every variable that bears our prefix and names no setting; empty when all do.

    Only the first part of a name is judged: below a section pydantic itself refuses what it does not know.
    """
    known = dict(_variables(settings, PREFIX))
    problems = []
    for name in _ours(environment):
        top, *below = name.upper().split(DELIMITER)
        if top not in known or (below and not known[top]):
            near = get_close_matches(name.upper(), known, n=1)
            hint = f", perhaps {near[0]} is meant" if near else ""
            problems.append(f"{name} of the environment is no setting{hint}")
    return tuple(problems)


def not_json(settings: type[BaseModel], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the variables that must hold JSON (a section, a list, a table) and do not."""
    known = dict(_variables(settings, PREFIX))
    return tuple(
        name for name in _ours(environment) if known.get(name.upper()) and not _is_json(environment[name])
    )


def _variables(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, bool]]:
    """Every variable that a setting may be given by, and whether it holds JSON rather than a plain value."""
    for field, info in model.model_fields.items():
        name, kind = prefix + field.upper(), info.annotation
        is_section = isinstance(kind, type) and issubclass(kind, BaseModel)
        yield name, is_section or get_origin(kind) in (tuple, dict, list)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _variables(kind, name + DELIMITER)


def _ours(environment: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(environment):
        shouted = name.upper()
        if shouted.startswith(PREFIX) and not shouted.startswith(OTHERS_PREFIX) and shouted not in OTHERS:
            yield name


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
