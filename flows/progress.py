"""What a person sees while a night runs: a bar in the terminal, and the same as a Prefect artifact."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from flows.night import Outstanding
from tasks.outcomes import Outcome

# How often the artifact is written: each write is a request to the Prefect server.
_ARTIFACT_EVERY_S = 5.0
# How often a line is printed where the output is a file and a bar would be noise.
_LINE_EVERY_S = 10.0


@contextmanager
def scan_progress(*, show: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar while an archive is asked what is new, gone at the end; where there is no terminal, lines.

    Args:
        show: print to the terminal.
    """
    console = Console(stderr=True, quiet=not show)
    bar = Progress(
        TextColumn("[bold]looking at what is new"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not (show and console.is_terminal),
        transient=True,
    )
    task = bar.add_task("", total=None)
    line_s = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal line_s
        bar.update(task, completed=done, total=total)
        if not console.is_terminal and time.monotonic() - line_s > _LINE_EVERY_S:
            line_s = time.monotonic()
            console.print(f"looked at {done} of {total} that are new")

    with bar:
        yield tell


class NightProgress:
    """Counts studies as they end and shows them. A context manager.

    Args:
        outstanding: studies to be worked on, and those taken over from a run that died.
        show: print to the terminal; off for programs that read the output.
    """

    def __init__(self, outstanding: Outstanding, *, show: bool = True) -> None:
        self._resumed = self._done = len(outstanding.resumed)
        self._total = len(outstanding.todo) + self._resumed
        self._counts: Counter[Outcome] = Counter()
        self._console = Console(stderr=True, quiet=not show)
        self._started_s = self._artifact_s = self._line_s = time.monotonic()
        self._artifact: UUID | None = None
        self._bar = Progress(
            TextColumn("[bold]screening"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not (show and self._console.is_terminal),
        )
        self._task = self._bar.add_task("", total=self._total, completed=self._done, counts="")

    def __enter__(self) -> NightProgress:
        made = create_progress_artifact(progress=0.0, key="night", description=self.summary())
        self._artifact = made if isinstance(made, UUID) else None
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._write_artifact()

    def ended(self, outcome: Outcome) -> None:
        """One more study has ended."""
        self._done += 1
        self._counts[outcome] += 1
        self._bar.update(self._task, completed=self._done, counts=self._short())
        now = time.monotonic()
        if now - self._artifact_s > _ARTIFACT_EVERY_S:
            self._artifact_s = now
            self._write_artifact()
        if not self._console.is_terminal and now - self._line_s > _LINE_EVERY_S:
            self._line_s = now
            self._console.print(self.summary())

    def summary(self) -> str:
        """Done, refused, failed, pace and time left, in one line."""
        minutes = (time.monotonic() - self._started_s) / 60
        worked = self._done - self._resumed
        pace = worked / minutes if minutes > 0 and worked else 0.0
        left = f"{(self._total - self._done) / pace:.0f} min left" if pace else "time left unknown"
        return f"{self._done} of {self._total} studies: {self._short()}; {pace:.0f} a minute, {left}"

    def _short(self) -> str:
        scored, excluded, failed = (self._counts[outcome] for outcome in Outcome)
        return f"{scored} scored, {excluded} refused, {failed} failed"

    def _write_artifact(self) -> None:
        if self._artifact is not None:
            percent = 100.0 * self._done / self._total if self._total else 100.0
            update_progress_artifact(self._artifact, progress=percent, description=self.summary())
