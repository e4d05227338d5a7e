"""Scenarios, run as tests: `temper scenario`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.options import ask_leave
from temper.ending import run_to_end
from temper.judged import Plan, choose, judged, titled
from temper.options import (
    DEFAULT_TARGET,
    EveryOption,
    ExternalOption,
    NamesArgument,
    PortOption,
    ProviderOption,
    SeedOption,
    TargetOption,
    YesOption,
)
from temper.terminal import screen

if TYPE_CHECKING:
    from harness.scenario import Scenario


def scenario_list(target: TargetOption = DEFAULT_TARGET) -> None:
    """Show every scenario, and what it proves."""
    from harness.target import Target

    scenarios = Target.read(target).scenarios.values()
    width = max((len(scenario.name) for scenario in scenarios), default=0)
    for scenario in scenarios:
        print(f"{scenario.name:<{width}}  {scenario.proves}")


def scenario_run(
    names: NamesArgument = None,
    every: EveryOption = False,
    iterations: Annotated[int, typer.Option("-n", min=1, help="Iterations of each.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    seed: SeedOption = 1,
    target: TargetOption = DEFAULT_TARGET,
    external: ExternalOption = None,
    port: PortOption = None,
    provider: ProviderOption = None,
    yes: YesOption = False,
) -> None:
    """Run scenarios one after the other, as tests, and check what they left in the stores."""
    read, chosen = choose(target, names, every=every)
    if external:
        ask_leave(yes=yes)
    plan = Plan(
        target=read,
        kind="scenario",
        title=titled(chosen, every=every),
        seed=seed,
        external=external,
        ports=port,
        providers=provider,
    )
    run_to_end(_scenario_run(plan, chosen, iterations, workers))


async def _scenario_run(plan: Plan, scenarios: Sequence["Scenario[Any]"], iterations: int, workers: int) -> None:
    async with judged(plan) as bed, bed.workers(workers):
        await bed.prepare(*scenarios)
        for scenario in scenarios:
            for number in range(iterations):
                await bed.once(scenario)
                screen.say(f"{scenario.name} {number + 1}/{iterations}")
