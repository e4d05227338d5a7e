"""Injects and heals faults when their moments come, and writes down what was really done, when."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from chaos.faults.fault import Bite, Fault, Trigger
from chaos.situation import Situation
from harness.clock import now
from harness.errors import HarnessError
from harness.records.faults import FaultWindow

HEAL_SECONDS = 300.0
"""How long healing may take: a rolling restart waits for the drain of each worker, on a machine that is busy."""


class NotHealed(HarnessError):
    """Healing a fault came to no end."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One fault and its times: at so many seconds from the start of the load, or when a trigger's moment has come."""

    fault: Fault
    at: float = 0.0
    when: Trigger | None = None
    duration: float
    every: float = 0.0
    times: int = 1
    touches: frozenset[str] = frozenset()
    """What no other fault may break meanwhile."""


@dataclass(kw_only=True)
class Stage:
    """Where a schedule is carried out, and whom it tells."""

    begin: float
    """The start of the load: seconds since the Unix epoch."""
    situation: Situation
    record: Callable[[FaultWindow], None]
    notify: Callable[[str], None] = lambda _: None
    before_first: Callable[[], None] = lambda: None
    """Called once, before anything is broken; what it raises ends the schedule."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when no more iterations begin: triggers are not waited for any longer."""
    broken: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _begun: bool = False

    def begin_breaking(self) -> None:
        """Look once, before the first fault."""
        if not self._begun:
            self._begun = True
            self.before_first()

    @asynccontextmanager
    async def alone(self, touches: frozenset[str]) -> AsyncIterator[None]:
        """Wait until nobody else breaks any of these, and keep it so."""
        async with AsyncExitStack() as held:
            for name in sorted(touches):
                await held.enter_async_context(self.broken[name])
            yield


async def carry_out(plan: Sequence[Planned], stage: Stage) -> None:
    """Carry out every planned fault.

    Whatever happens, a fault that was injected is healed before this returns, and its window is recorded. A trigger
    whose moment never comes is a window of a fault that never was in force.
    """
    async with asyncio.TaskGroup() as group:
        for planned in plan:
            group.create_task(_each_time(planned, stage))


async def _each_time(planned: Planned, stage: Stage) -> None:
    first: float | None = None
    for time in range(planned.times):
        if planned.when is not None and first is None:
            if not await _comes(planned.when, stage):
                await _never(planned, stage)
                return
        else:
            since = stage.begin + planned.at if first is None else first
            await asyncio.sleep(max(0.0, since + time * planned.every - now()))
        first = first or now()
        async with stage.alone(planned.touches):
            await _once(planned, stage)


async def _comes(trigger: Trigger, stage: Stage) -> bool:
    """Wait for the moment; False where the load ends before."""
    moment = asyncio.ensure_future(stage.situation.come(trigger))
    end = asyncio.ensure_future(stage.over.wait())
    try:
        await asyncio.wait({moment, end}, return_when=asyncio.FIRST_COMPLETED)
        return moment.done() and moment.exception() is None
    finally:
        moment.cancel()
        end.cancel()


async def _never(planned: Planned, stage: Stage) -> None:
    fault, time = planned.fault, now()
    evidence = f"its moment never came: {planned.when}"
    if planned.when is not None and planned.when.effect is not None:
        seen = await stage.situation.effects()
        told = ", ".join(f"{step} {count}" for step, count in sorted(seen.items()))
        evidence += f", where there were: {told or 'none of any step'}"
    stage.notify(f"{fault.name} on {fault.on}: {evidence}")
    stage.record(
        FaultWindow(name=fault.name, on=fault.on, injected=time, healed=time, in_force=False, evidence=evidence)
    )


async def _once(planned: Planned, stage: Stage) -> None:
    fault = planned.fault
    stage.begin_breaking()
    situation = await stage.situation.told()
    injected = now()
    bite = Bite(in_force=False, evidence="injecting it was interrupted")
    seen: float | None = None
    met: tuple[str, ...] | None = None
    try:
        await fault.inject()
        bite = await fault.bite()
        seen = now() if bite.in_force else None
        stage.notify(f"{fault.name} on {fault.on}: {'in force' if bite.in_force else 'NOT in force'} ({bite.evidence})")
        await asyncio.sleep(max(0.0, injected + planned.duration - now()))
    finally:
        healing = now()
        try:
            await _heal(fault)
            met = await fault.met()
        except Exception as error:
            bite = replace(bite, evidence=f"{bite.evidence}; then: {error}")
            raise
        finally:
            healed = now()
            stage.record(
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
                    met=met,
                    situation=situation,
                )
            )
        stage.notify(f"{fault.name} on {fault.on}: healed after {healed - injected:.1f} s")


async def _heal(fault: Fault) -> None:
    """Heal it to the end; a cancellation meanwhile goes on after it. Raises NotHealed, or whatever it could not do.

    A second Ctrl-C cancels every task there is, the healing too, which is then begun anew.
    """
    healing, cancelled = await _to_the_end(fault)
    if _was_cut_off(healing):
        healing, again = await _to_the_end(fault)
        cancelled = cancelled or again
    healing.result()
    if cancelled is not None:
        raise cancelled


async def _to_the_end(fault: Fault) -> tuple[asyncio.Task[None], asyncio.CancelledError | None]:
    """Wait for the end of its healing, whatever that is; returns it, and the cancellation that came meanwhile."""
    healing = asyncio.create_task(_in_time(fault))
    cancelled: asyncio.CancelledError | None = None
    while not healing.done():
        try:
            await asyncio.wait({healing})
        except asyncio.CancelledError as error:
            cancelled = error
    return healing, cancelled


async def _in_time(fault: Fault) -> None:
    limit = asyncio.timeout(HEAL_SECONDS)
    try:
        async with limit:
            await fault.heal()
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise NotHealed(f"{fault.name} on {fault.on} was not healed within {HEAL_SECONDS:g} s.") from error


def _was_cut_off(task: asyncio.Task[None]) -> bool:
    return task.cancelled() or isinstance(task.exception(), KeyboardInterrupt)
