"""Scenarios, under load: `temper load`."""

from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import CannotRun
from harness.options import allow_external
from temper.ending import run_to_end
from temper.judged import Plan, judged
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
    from loadtests.closed import ClosedLoad
    from loadtests.load import Load

EXAMPLE = "Example: temper load pipeline-slice --rate 6 --duration 20"


def load(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME[=WEIGHT]…", help="Scenarios, or domains, each with its weight in the mix (1)."),
    ],
    duration: Annotated[float, typer.Option(help="Seconds over which iterations are started.")],
    rate: Annotated[
        float | None, typer.Option(help="Iterations started a second, on average, of all scenarios together.")
    ] = None,
    arrivals: Annotated[
        str,
        typer.Option(
            metavar="SHAPE[:KEY=VALUE,…]",
            help="How they are spread: constant, poisson, ramp, step, spike, burst, sine, or trace:FILE.csv.",
        ),
    ] = "constant",
    warm_up: Annotated[
        float, typer.Option(help="Seconds at the beginning that are left out of every figure of speed.")
    ] = 0.0,
    users: Annotated[
        int | None,
        typer.Option(help="Closed loop instead of a rate: so many users, each waiting for its answer."),
    ] = None,
    think: Annotated[float, typer.Option(help="In a closed loop, seconds a user waits between iterations.")] = 0.0,
    tenants: Annotated[
        str | None,
        typer.Option(metavar="N|NAME=SHARE,…", help="On whose behalf: each start carries its tenant's fairness key."),
    ] = None,
    in_flight: Annotated[
        int, typer.Option(min=1, help="Iterations at once, beyond which arrivals are shed, and count as failed.")
    ] = 10_000,
    lag_budget: Annotated[
        float, typer.Option(help="Milliseconds the generator may be late, at p99, before the run is void.")
    ] = 50.0,
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
    """Start iterations at their times, whatever becomes of the ones before, and check every one of them."""
    from harness.target import Target
    from loadtests.arrivals import parse
    from loadtests.closed import ClosedLoad
    from loadtests.load import Load
    from loadtests.loop import new_event_loop
    from loadtests.mix import Mix, tenants_of

    read = Target.read(target)
    mix = Mix.of(read, names)
    shares = tenants_of(tenants) if tenants else {}
    planned: Load | ClosedLoad
    if users is not None:
        if rate is not None:
            raise CannotRun("A closed loop has no rate: its users ask when they were answered.", remedy=EXAMPLE)
        planned = ClosedLoad(mix=mix, users=users, duration=duration, think=think, warm_up=warm_up, tenants=shares)
    else:
        try:
            spread = parse(arrivals, rate or 0.0, duration)
        except ValueError as error:
            raise CannotRun(f"{error}.", remedy=EXAMPLE) from error
        planned = Load(
            mix=mix,
            arrivals=spread,
            warm_up=warm_up,
            tenants=shares,
            in_flight=in_flight,
            lag_budget=lag_budget / 1e3,
        )
    if external:
        if isinstance(planned, ClosedLoad):
            raise CannotRun(
                "A closed loop has no rate, and what was not started here is used only below one.",
                remedy="Use an open loop: --rate RATE --rate-cap RATE",
            )
        allow_external(planned.arrivals.highest, rate_cap, yes=yes)
    plan = Plan(
        target=read,
        kind="load",
        title=" ".join(names),
        seed=seed,
        external=external,
        ports=port,
        providers=provider,
    )
    run_to_end(_load(plan, planned, workers), new_event_loop)


async def _load(plan: Plan, load: "Load | ClosedLoad", workers: int) -> None:
    from harness.sampling import sampled
    from loadtests.closed import ClosedLoad, in_turns
    from loadtests.run import under_load

    async with judged(plan) as bed, bed.workers(workers):
        await bed.prepare(*load.mix.scenarios)
        show = screen.progress(plan.title)
        async with sampled(bed):
            if isinstance(load, ClosedLoad):
                await in_turns(bed, load, on_progress=show)
            else:
                await under_load(bed, load, on_progress=show)
