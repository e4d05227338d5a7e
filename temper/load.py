"""Scenarios, under load: `temper load`."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import CannotRun
from harness.options import allow_external
from temper.ending import run_to_end
from temper.judged import Plan, choose, judged, titled
from temper.options import (
    DEFAULT_TARGET,
    ExternalOption,
    PortOption,
    ProviderOption,
    SeedOption,
    TargetOption,
    YesOption,
)
from temper.terminal import screen

if TYPE_CHECKING:
    from harness.scenario import Scenario


def load(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Scenarios, or domains.")],
    rate: Annotated[float, typer.Option(help="Iterations started a second, of each scenario.")],
    duration: Annotated[float, typer.Option(help="Seconds over which they are started.")],
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    seed: SeedOption = 1,
    target: TargetOption = DEFAULT_TARGET,
    external: ExternalOption = None,
    port: PortOption = None,
    provider: ProviderOption = None,
    rate_cap: Annotated[
        float | None, typer.Option(help="For external services: the highest rate you allow, of all together.")
    ] = None,
    yes: YesOption = False,
) -> None:
    """Start iterations at a constant rate, whatever becomes of the ones before, and check every one of them."""
    from loadtests.arrivals import constant

    read, chosen = choose(target, names, every=False)
    try:
        constant(rate, duration)
    except ValueError as error:
        raise CannotRun(f"{error}.", remedy="Example: temper load pipeline-slice --rate 6 --duration 20") from error
    if external:
        allow_external(rate * len(chosen), rate_cap, yes=yes)
    plan = Plan(
        target=read, kind="load", title=titled(chosen), seed=seed, external=external, ports=port, providers=provider
    )
    run_to_end(_load(plan, chosen, rate, duration, workers))


async def _load(plan: Plan, scenarios: Sequence["Scenario[Any]"], rate: float, duration: float, workers: int) -> None:
    from harness.sampling import sampled
    from loadtests.run import under_load

    async with judged(plan) as bed, bed.workers(workers):
        await bed.prepare(*scenarios)
        async with sampled(bed), asyncio.TaskGroup() as group:
            for scenario in scenarios:
                show = screen.progress(scenario.name)
                group.create_task(under_load(bed, scenario, rate=rate, duration=duration, on_progress=show))
