"""Checks that an activity heartbeats while it is held up."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio.testing import ActivityEnvironment

TIMEOUT = timedelta(seconds=2)
ENOUGH = 1.5
"""Heartbeat timeouts for which an activity that is held up must have kept itself alive."""


class Unbeaten(AssertionError):
    """The activity was held up for its heartbeat timeout, and did not heartbeat."""


class NotHeldUp(AssertionError):
    """The activity ended before a heartbeat was due: nothing is known of its heartbeats."""


async def check_heartbeats(
    activity: Callable[..., Any],
    *arguments: Any,
    timeout: timedelta = TIMEOUT,
    environment: ActivityEnvironment | None = None,
) -> None:
    """Run an activity as one attempt that is held up, and see that it heartbeats; then cancel it.

    Args:
        activity: what is called; the test holds it up: by a lock, a file that does not come, a silent peer. One that
            is no coroutine is run in a thread, and must end once it is cancelled.
        arguments: what it is called with.
        timeout: the heartbeat timeout that the attempt is told; short, so that a test need not wait for the real one.
        environment: what the attempt is told otherwise.

    Raises:
        Unbeaten: it went without a heartbeat for as long as its timeout.
        NotHeldUp: it ended first.

    """
    environment = environment or ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, heartbeat_timeout=timeout)
    loop, beat = asyncio.get_running_loop(), asyncio.Event()

    def on_heartbeat(*_: Any) -> None:
        loop.call_soon_threadsafe(beat.set)

    environment.on_heartbeat = on_heartbeat
    began = time.monotonic()
    running = asyncio.create_task(_run(environment, activity, arguments))
    try:
        while time.monotonic() < began + ENOUGH * timeout.total_seconds():
            beating = asyncio.create_task(beat.wait())
            limit = timeout.total_seconds()
            done, _ = await asyncio.wait({running, beating}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            beating.cancel()
            beat.clear()
            if running in done:
                await running  # what it raised says more
                raise NotHeldUp(
                    f"{_name(activity)} ended after {time.monotonic() - began:.1f} s, with a heartbeat due within "
                    f"{limit:g} s: nothing is known; hold it up"
                )
            if not done:
                raise Unbeaten(
                    f"{_name(activity)} was held up for {limit:g} s, its heartbeat timeout, without a heartbeat: such "
                    "an attempt is given up, and another one begins beside it; heartbeat while it waits"
                )
    finally:
        environment.cancel()  # which is all that one in a thread hears
        running.cancel()
        await asyncio.wait({running})


async def _run(environment: ActivityEnvironment, activity: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    if inspect.iscoroutinefunction(activity):
        return await environment.run(activity, *arguments)
    return await asyncio.to_thread(environment.run, activity, *arguments)


def _name(activity: Callable[..., Any]) -> str:
    return str(getattr(activity, "__qualname__", activity))
