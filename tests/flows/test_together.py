"""Two contexts at once: each entered while the other is, and both left, whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from flows.together import together

PATIENCE_S = 30.0


class Log(list[str]):
    """What happened, in its order."""

    @contextmanager
    def context(self, name: str, *, breaks: bool = False) -> Iterator[str]:
        if breaks:
            raise LookupError(name)
        self.append(f"{name} entered")
        try:
            yield name
        finally:
            self.append(f"{name} left")


def test_each_is_entered_while_the_other_is() -> None:
    met = threading.Barrier(2)

    @contextmanager
    def meeting(name: str) -> Iterator[str]:
        met.wait(PATIENCE_S)  # breaks unless the other comes too
        yield name

    with together(meeting("one"), meeting("two")) as both:
        assert both == ("one", "two")


def test_both_are_left_when_the_block_breaks() -> None:
    log = Log()
    with pytest.raises(ValueError, match="inside"), together(log.context("one"), log.context("two")):
        raise ValueError("inside")
    assert sorted(log) == ["one entered", "one left", "two entered", "two left"]


@pytest.mark.parametrize("broken", ["one", "two"])
def test_when_one_cannot_be_entered_the_other_is_left(broken: str) -> None:
    log = Log()
    contexts = (log.context(name, breaks=name == broken) for name in ("one", "two"))
    with pytest.raises(LookupError, match=broken), together(*contexts):
        pytest.fail("the block must not run")
    [sound] = {"one", "two"} - {broken}
    assert log == [f"{sound} entered", f"{sound} left"]
