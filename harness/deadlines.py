"""Deadlines that hold, whatever the one that is late does when it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")

GOING = 3.0
"""Seconds to end in, for what is cancelled because it is late."""
OPENING = 60.0
"""Seconds that an environment may take to open or to close."""
LEFT_BEHIND = "It did not end when it was cancelled, and was left behind."


class DeadlinePassed(AssertionError):
    """What was awaited took too long; of a test it says what its workflows had done by then."""


async def within(
    work: Coroutine[Any, Any, Result],
    seconds: float,
    what: str = "what was awaited",
    explained: Callable[[], Awaitable[str]] | None = None,
) -> Result:
    """Await a coroutine for so many seconds.

    Raises DeadlinePassed, which names it, and what the coroutine raises. It is explained before it is cancelled.
    """
    # Not asyncio.timeout: what is cancelled may go on, as a worker does whose activities do, or raise anything else, as
    # the SDK does where an update is awaited.
    working = asyncio.ensure_future(work)
    late: DeadlinePassed | None = None
    try:
        await asyncio.wait({working}, timeout=seconds)
        if not working.done():
            why = f". {await explained()}" if explained else ""
            late = DeadlinePassed(f"{what} was not over within {seconds:g} s{why}")
    finally:
        stubborn = await _cancelled(working) and await _cancelled(working)
    if late is None:
        return working.result()
    if stubborn:
        late.add_note(LEFT_BEHIND)
    raise late from _ended_with(working)


async def let_go(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks; those that do not end then, and the threads that are still at work, let the loop be closed."""
    for task in await _cancelled(*tasks):
        asyncio.tasks._unregister_task(task)  # noqa: SLF001 it is documented, for what is to replace tasks
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())


async def _cancelled(*tasks: asyncio.Task[Any]) -> set[asyncio.Task[Any]]:
    """Cancel tasks, and wait a little; returns those that have not ended."""
    waiting = {task for task in tasks if not task.done()}
    for task in waiting:
        task.cancel()
    return (await asyncio.wait(waiting, timeout=GOING))[1] if waiting else set()


def _ended_with(working: asyncio.Task[Any]) -> BaseException | None:
    """What shows where it was when its time was over."""
    if not working.done():
        return None
    try:
        return working.exception()
    except asyncio.CancelledError as error:
        return error
