"""Two contexts entered at the same time: what both do is wait until other processes have started."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

First = TypeVar("First")
Second = TypeVar("Second")


@contextmanager
def together(
    first: AbstractContextManager[First], second: AbstractContextManager[Second]
) -> Iterator[tuple[First, Second]]:
    """What both contexts give, `first` being entered in a thread of its own; both are left in this one.

    If one cannot be entered its error is raised, and the other is left as soon as it has been entered.
    """
    with ExitStack() as entered:
        with ThreadPoolExecutor(1) as aside:
            begun = aside.submit(entered.enter_context, first)
            there = entered.enter_context(second)
        yield begun.result(), there
