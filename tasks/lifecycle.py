"""The life of one study in a night, as a table of states and the moves between them.

A study is found, and ends as scored, excluded or failed. Whoever works on it moves a `StudyLife` along the
table; a move that the table does not have is a bug and raises. Observers hear of every move, which is how
logs, progress and tests see what happens without the steps knowing of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

from tasks.outcomes import OsteoscreenError


class State(StrEnum):
    """Where a study stands."""

    FOUND = "found"
    SELECTED = "selected"
    LOCATED = "located"
    MEASURED = "measured"
    INFERRED = "inferred"
    SCORED = "scored"
    EXCLUDED = "excluded"
    FAILED = "failed"


_ENDINGS = frozenset({State.EXCLUDED, State.FAILED})
TRANSITIONS: dict[State, frozenset[State]] = {
    State.FOUND: _ENDINGS | {State.SELECTED},
    State.SELECTED: _ENDINGS | {State.LOCATED},
    State.LOCATED: _ENDINGS | {State.MEASURED},
    State.MEASURED: _ENDINGS | {State.INFERRED},
    State.INFERRED: _ENDINGS | {State.SCORED},
    State.SCORED: frozenset(),
    State.EXCLUDED: frozenset(),
    State.FAILED: frozenset(),
}

Observer = Callable[[str, State, State, float], None]
"""Called with study UID, the state left, the state entered, and the seconds spent in the state left."""


class IllegalTransitionError(OsteoscreenError):
    """A study was moved in a way that the table does not have."""


class StudyLife:
    """One study on its way through the table.

    Args:
        study_uid: which study.
        observers: each is called at every move.
    """

    def __init__(self, study_uid: str, observers: tuple[Observer, ...] = ()) -> None:
        self.study_uid = study_uid
        self.state = State.FOUND
        self._observers = observers
        self._entered_s = time.monotonic()

    def advance(self, to: State) -> None:
        """Move to `to`.

        Raises:
            IllegalTransitionError: when the table has no such move.
        """
        if to not in TRANSITIONS[self.state]:
            raise IllegalTransitionError(f"a study that is {self.state} cannot become {to}")
        left, self.state = self.state, to
        now = time.monotonic()
        seconds, self._entered_s = now - self._entered_s, now
        for observer in self._observers:
            observer(self.study_uid, left, to, seconds)
