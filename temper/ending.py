"""How a command ends: its exit code, what is said of an error, and that whoever ends it early leaves nothing behind."""

import asyncio
import ctypes
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import typer

from harness.errors import CannotRun, HarnessError
from temper.terminal import screen

GOOD, FAILED, CANNOT_RUN, INTERRUPTED = 0, 1, 2, 130
SIGNALLED = 128 + signal.SIGTERM

PR_SET_PDEATHSIG = 1


def run_to_end(
    work: Coroutine[Any, Any, None], new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
) -> None:
    """Run to the end; Ctrl-C, SIGTERM and SIGHUP all take everything down in order first."""

    async def until_told() -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await work

    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(until_told())
    except asyncio.CancelledError:
        raise typer.Exit(SIGNALLED) from None


def end_with_parent() -> None:
    """Be told to end when whoever started this is gone: nobody would see the outcome."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def explain(error: BaseException) -> int:
    """Say what went wrong; returns the exit code."""
    from harness.records.run import NoPlaceForRuns, NotARun

    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    theirs = isinstance(error, CannotRun | NotARun | NoPlaceForRuns)
    screen.say(f"temper: {error}" if theirs or isinstance(error, HarnessError) else f"temper: {error!r}")
    if theirs:
        return CANNOT_RUN
    if not isinstance(error, HarnessError):
        screen.say("This should not have happened. Add --debug to see where it did.")
    return FAILED
