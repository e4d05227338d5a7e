"""Tells the person at the terminal, or whoever reads the pipe, what happens and how far it is."""

import sys
from collections.abc import Callable
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Counts(Protocol):
    """How far something is."""

    planned: int
    started: int
    ended: int


class Screen:
    """Tells the person what happens: plain lines, and bars under them where there is a terminal."""

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty()
        self._bars: Progress | None = None

    def say(self, text: str) -> None:
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr, flush=True)  # noqa: T201  # it is what this is for

    def progress(self, what: str) -> Callable[[Counts], None]:
        """Show how far a load is: a bar on a terminal, a line for every tenth of it in a pipe."""
        return self._bar(what) if self.terminal else self._lines(what)

    def close(self) -> None:
        """Take the bars away; what follows are plain lines."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _bar(self, what: str) -> Callable[[Counts], None]:
        if self._bars is None:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bars = Progress(*columns, console=Console(stderr=True))
            self._bars.start()
        bars, task = self._bars, self._bars.add_task(what, total=None)

        def show(progress: Counts) -> None:
            bars.update(task, total=progress.planned, completed=progress.ended)
            if bars.finished:
                self.close()

        return show

    def _lines(self, what: str) -> Callable[[Counts], None]:
        told = 0

        def show(progress: Counts) -> None:
            nonlocal told
            tenths = 5 * (progress.started + progress.ended) // progress.planned
            if tenths > told:
                told = tenths
                self.say(f"{what}: {progress.started}/{progress.planned} started, {progress.ended} ended")

        return show
