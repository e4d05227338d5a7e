"""Injects and heals faults at their times, and writes down what was really done, when."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.faults.fault import Bite, Fault
from harness.clock import now
from harness.records.faults import FaultWindow


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One fault and its times, in seconds from the start of the load."""

    fault: Fault
    at: float
    duration: float


async def carry_out(
    plan: Sequence[Planned],
    begin: float,
    record: Callable[[FaultWindow], None],
    notify: Callable[[str], None] = lambda _: None,
) -> None:
    """Carry out every planned fault; `begin` is the start of the load, in seconds since the Unix epoch.

    Whatever happens, a fault that was injected is healed before this returns, and its window is recorded.
    """
    async with asyncio.TaskGroup() as group:
        for planned in plan:
            group.create_task(_one(planned, begin, record, notify))


async def _one(
    planned: Planned, begin: float, record: Callable[[FaultWindow], None], notify: Callable[[str], None]
) -> None:
    fault = planned.fault
    await asyncio.sleep(max(0.0, begin + planned.at - now()))
    injected = now()
    bite = Bite(in_force=False, evidence="injecting it was interrupted")
    seen: float | None = None
    try:
        await fault.inject()
        bite = await fault.bite()
        seen = now() if bite.in_force else None
        notify(f"{fault.name} on {fault.on}: {'in force' if bite.in_force else 'NOT in force'} ({bite.evidence})")
        await asyncio.sleep(max(0.0, injected + planned.duration - now()))
    finally:
        healing = now()
        try:
            await _to_the_end(fault.heal())
        finally:
            healed = now()
            record(
                FaultWindow(
                    name=fault.name,
                    on=fault.on,
                    injected=injected,
                    healed=healed,
                    in_force=bite.in_force,
                    evidence=bite.evidence,
                    cut=bite.cut,
                    sure=None if seen is None else (seen, healing),
                    slows=fault.slows,
                )
            )
        notify(f"{fault.name} on {fault.on}: healed after {healed - injected:.1f} s")


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for the end of work that must not stop half-way; a cancellation meanwhile goes on after it."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
