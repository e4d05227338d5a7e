"""The open-loop engine: fires each iteration at its intended time, whatever the others do."""

import asyncio
from collections.abc import Callable, Sequence
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


@dataclass(frozen=True)
class Driven:
    """What was driven: the iterations, in the order of their intended start, and what broke in the scenario."""

    iterations: Sequence[Iteration]
    broken: Sequence[Finding] = field(default_factory=list)


async def fire(
    scenario: Scenario[Any],
    iterations: Sequence[Iteration],
    app_for: Callable[[Iteration], App],
    *,
    room: asyncio.Semaphore,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Driven:
    """Start each iteration at its intended time and wait until all have ended.

    An arrival that finds no room is shed: recorded as a start that failed, never forgotten. Loads that run side by
    side share one room.
    """
    progress = Progress(planned=len(iterations))
    broken: list[Finding] = []

    async def one(app: App) -> None:
        try:
            broken.extend(await drive(scenario, app))
        finally:
            room.release()
            progress.ended += 1
            on_progress(progress)

    async with asyncio.TaskGroup() as group:
        for iteration in iterations:
            await asyncio.sleep(max(0.0, iteration.intended - now()))
            app = app_for(iteration)
            progress.started += 1
            if room.locked():
                progress.shed += 1
                progress.ended += 1
                app.record(_shed(iteration))
            else:
                await room.acquire()
                group.create_task(one(app))
            on_progress(progress)
    return Driven(iterations, broken)


def planned(
    run: str, scenario: str, seed: int, arrivals: Sequence[float], begin: float, first: int = 0
) -> list[Iteration]:
    """The iterations of these arrivals (seconds after `begin`), numbered from `first`."""
    return [
        Iteration(run=run, scenario=scenario, index=first + number, seed=seed, intended=begin + arrival)
        for number, arrival in enumerate(arrivals)
    ]


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
    )
