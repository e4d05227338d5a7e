"""The open-loop engine: fires each iteration at its intended time, whatever the others do."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.clock import now
from harness.driver import App, drive
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.verdicts import Finding
from harness.scenario import Scenario


@dataclass
class Progress:
    """How far a load is, for whoever shows it."""

    planned: int
    started: int = 0
    ended: int = 0
    shed: int = 0
    open: dict[tuple[str, int], Iteration] = field(default_factory=dict)
    """Those that have begun and not ended, by scenario and index."""


async def fire(
    scenarios: Mapping[str, Scenario[Any]],
    iterations: Sequence[Iteration],
    app_for: Callable[[Iteration], App],
    *,
    in_flight: int,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> list[Finding]:
    """Start each iteration at its intended time and wait until all have ended; what broke in the scenarios themselves.

    An arrival that comes while `in_flight` others have not ended is shed: recorded as a start that failed, never
    forgotten. `iterations` are in the order of their intended times.
    """
    progress = Progress(planned=len(iterations))
    broken: list[Finding] = []

    async def one(scenario: Scenario[Any], app: App) -> None:
        key = app.iteration.scenario, app.iteration.index
        progress.open[key] = app.iteration
        try:
            broken.extend(await drive(scenario, app))
        finally:
            del progress.open[key]
            progress.ended += 1
            on_progress(progress)

    async with asyncio.TaskGroup() as group:
        for iteration in iterations:
            if iteration.intended > now():
                await _until(iteration.intended)
            elif progress.started % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            app = app_for(iteration)
            if progress.started - progress.ended < in_flight:
                group.create_task(one(scenarios[iteration.scenario], app))
            else:
                progress.shed += 1
                progress.ended += 1
                app.record(_shed(iteration))
            progress.started += 1
            on_progress(progress)
    return broken


YIELD_EVERY = 8
"""Late iterations that are begun before those begun earlier have their turn."""
TICK = 0.001
"""Seconds. Uvloop's timers count in these, rounded: one in three ends early, and what is sent early looks fast."""


async def _until(moment: float) -> None:
    while (early := moment - now()) > 0:  # noqa: ASYNC110  # it is time that is waited for
        await asyncio.sleep(max(early, TICK))


def _shed(iteration: Iteration) -> Operation:
    late = now()
    return Operation(
        scenario=iteration.scenario,
        iteration=iteration.index,
        kind=Kind.START,
        name="",
        workflow_id=iteration.prefix,
        run_id=None,
        intended=iteration.intended,
        sent=late,
        acknowledged=late,
        ack=Ack.FAIL,
        error="shed: too many iterations were in flight",
        warm_up=iteration.warm_up,
    )
