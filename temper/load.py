"""Scenarios, under load: `temper load`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from harness.errors import CannotRun
from harness.options import allow_external
from temper.load_options import (
    EXAMPLE,
    ArrivalsOption,
    BaselineOption,
    DurationOption,
    InFlightOption,
    LagBudgetOption,
    NamesArgument,
    ProcessesOption,
    ProfileOption,
    RateCapOption,
    RateOption,
    TenantsOption,
    WarmUpOption,
    WorkersOption,
)
from temper.loading import allowed, mix_of, plan_of, run_under, tenants_of, wish_of
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
    from harness.testbed import Testbed


class Loads(TyperGroup):
    """`temper load NAME…` is short for `temper load run NAME…`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the verb in where there is none."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["run", *args]
        return super().parse_args(ctx, args)


def run(
    names: NamesArgument,
    duration: DurationOption,
    rate: RateOption = None,
    arrivals: ArrivalsOption = "constant",
    warm_up: WarmUpOption = 0.0,
    users: Annotated[
        int | None,
        typer.Option(help="Closed loop instead of a rate: so many users, each waiting for its answer."),
    ] = None,
    think: Annotated[float, typer.Option(help="In a closed loop, seconds a user waits between iterations.")] = 0.0,
    tenants: TenantsOption = None,
    in_flight: InFlightOption = 10_000,
    lag_budget: LagBudgetOption = 50.0,
    workers: WorkersOption = 2,
    processes: ProcessesOption = 1,
    baseline: BaselineOption = False,
    profile: ProfileOption = False,
    seed: SeedOption = 1,
    target: TargetOption = DEFAULT_TARGET,
    external: ExternalOption = None,
    port: PortOption = None,
    provider: ProviderOption = None,
    rate_cap: RateCapOption = None,
    yes: YesOption = False,
) -> None:
    """Start iterations at their times, whatever becomes of the ones before, and check every one of them.

    `run` may be left out.
    """
    from loadtests.closed import ClosedLoad, in_turns
    from loadtests.processes import from_processes
    from loadtests.run import under_load

    plan = plan_of(target, names, seed=seed, external=external, ports=port, providers=provider)
    mix = mix_of(plan.target, names)
    if users is not None:
        if rate is not None or processes > 1:
            what = "no rate: its users ask when they were answered" if rate is not None else "one process"
            raise CannotRun(f"A closed loop has {what}.", remedy=EXAMPLE)
        if external:
            raise CannotRun(
                "A closed loop has no rate, and what was not started here is used only below one.",
                remedy="Use an open loop: --rate RATE --rate-cap RATE",
            )
        closed = ClosedLoad(
            mix=mix, users=users, duration=duration, think=think, warm_up=warm_up, tenants=tenants_of(tenants)
        )

        async def drive(bed: "Testbed") -> None:
            await in_turns(bed, closed, on_progress=screen.progress(plan.title))

    else:
        wish = wish_of(
            names,
            rate=rate or 0.0,
            duration=duration,
            arrivals=arrivals,
            warm_up=warm_up,
            tenants=tenants_of(tenants),
            in_flight=in_flight,
            lag_budget=lag_budget / 1e3,
        )
        load = allowed(wish, plan, rate_cap, yes=yes)

        async def drive(bed: "Testbed") -> None:
            show = screen.progress(plan.title)
            if processes > 1:
                await from_processes(bed, wish, processes, on_progress=show)
            else:
                await under_load(bed, load, on_progress=show)

    run_under(plan, mix, workers, drive, baseline=baseline, profile=profile)


def capacity(
    names: NamesArgument,
    p99: Annotated[float, typer.Option(help="Seconds that 99 of 100 users may wait, from the intended start.")],
    start: Annotated[float, typer.Option("--from", help="The first rate tried, in iterations a second.")] = 1.0,
    most: Annotated[float, typer.Option("--to", help="The highest rate tried.")] = 1_000.0,
    seconds: Annotated[float, typer.Option(help="How long each rate is offered, at least.")] = 20.0,
    lag_budget: LagBudgetOption = 50.0,
    workers: WorkersOption = 2,
    seed: SeedOption = 1,
    target: TargetOption = DEFAULT_TARGET,
    external: ExternalOption = None,
    port: PortOption = None,
    provider: ProviderOption = None,
    rate_cap: RateCapOption = None,
    yes: YesOption = False,
) -> None:
    """Find the knee: the highest rate at which the objectives still hold; and what saturated beyond it."""
    from harness.checking.capacity import Limits
    from loadtests.capacity import Search
    from loadtests.capacity import capacity as find_knee

    example = "Example: temper load capacity orders-place --p99 2"
    if not (0 < start <= most and seconds > 0 and p99 > 0):
        raise CannotRun("A search goes from a rate above 0 to a higher one, for some seconds each.", remedy=example)
    plan = plan_of(target, names, kind="capacity", seed=seed, external=external, ports=port, providers=provider)
    mix = mix_of(plan.target, names)
    if external:
        allow_external(most, rate_cap, yes=yes)
    search = Search(limits=Limits(p99=p99, lag_budget=lag_budget / 1e3), start=start, most=most, seconds=seconds)

    async def drive(bed: "Testbed") -> None:
        found = await find_knee(
            bed, mix, search, on_step=lambda step: screen.say(f"{step.rate:.3g}/s: {step.standing}, {step.reason}")
        )
        screen.say(found.sentence)

    run_under(plan, mix, workers, drive, sampling=False)


def soak(
    names: NamesArgument,
    rate: RateOption,
    duration: Annotated[float, typer.Option(help="Seconds; an hour has 3600.")],
    warm_up: WarmUpOption = 0.0,
    in_flight: InFlightOption = 10_000,
    lag_budget: LagBudgetOption = 50.0,
    workers: WorkersOption = 2,
    seed: SeedOption = 1,
    target: TargetOption = DEFAULT_TARGET,
    external: ExternalOption = None,
    port: PortOption = None,
    provider: ProviderOption = None,
    rate_cap: RateCapOption = None,
    yes: YesOption = False,
) -> None:
    """Keep a steady rate for hours, and tell by a trend test what grows: memory, handles, latency, histories."""
    from loadtests.soak import soak as keep_up

    plan = plan_of(target, names, kind="soak", seed=seed, external=external, ports=port, providers=provider)
    wish = wish_of(
        names,
        rate=rate or 0.0,
        duration=duration,
        arrivals="poisson",
        warm_up=warm_up,
        in_flight=in_flight,
        lag_budget=lag_budget / 1e3,
    )
    load = allowed(wish, plan, rate_cap, yes=yes)

    async def drive(bed: "Testbed") -> None:
        await keep_up(bed, load, on_progress=screen.progress(plan.title))

    run_under(plan, load.mix, workers, drive, sampling=False)
