"""Scenarios, under load: `temper load`."""

from os import getpid
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from harness.errors import CannotRun
from harness.options import allow_external
from temper.load_options import (
    EXAMPLE,
    Anywhere,
    ArrivalsOption,
    BaselineOption,
    DurationOption,
    InFlightOption,
    LagBudgetOption,
    MaybeRateOption,
    NamesArgument,
    ProcessesOption,
    ProfileOption,
    RateOption,
    TenantsOption,
    WarmUpOption,
    spread,
)
from temper.loading import allowed, mix_of, plan_of, profiling_of, run_under, tenants_of, wish_of
from temper.terminal import screen

if TYPE_CHECKING:
    from harness.records.steps import Step
    from harness.testbed import Testbed


CONSTANT = "constant"
CLOSED = "Users who wait for their answers instead: --users 10 --think 0.5"


class Loads(TyperGroup):
    """`temper load NAME…` is short for `temper load run NAME…`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the verb in where there is none."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["run", *args]
        return super().parse_args(ctx, args)


@spread
def run(
    names: NamesArgument,
    duration: DurationOption,
    rate: MaybeRateOption = None,
    arrivals: ArrivalsOption = CONSTANT,
    warm_up: WarmUpOption = 0.0,
    users: Annotated[
        int | None,
        typer.Option(help="Closed loop instead of a rate: so many users, each waiting for its answer."),
    ] = None,
    think: Annotated[float, typer.Option(help="In a closed loop, seconds a user waits between iterations.")] = 0.0,
    tenants: TenantsOption = None,
    in_flight: InFlightOption = 10_000,
    lag_budget: LagBudgetOption = 50.0,
    processes: ProcessesOption = 1,
    baseline: BaselineOption = False,
    profile: ProfileOption = False,
    *,
    on: Anywhere,
) -> None:
    """Start iterations at their times, whatever becomes of the ones before, and check every one of them.

    `run` may be left out.
    """
    from harness.records.samples import CLIENT
    from loadtests.closed import ClosedLoad, in_turns
    from loadtests.processes import generated

    plan = plan_of(on.target, names, **on.plan)
    profiling = profiling_of(wanted=profile)
    mix = mix_of(plan.target, names)
    if users is not None:
        if rate is not None or arrivals != CONSTANT:
            what = "rate" if rate is not None else "arrivals"
            raise CannotRun(f"A closed loop has no {what}: its users ask when they were answered.", remedy=EXAMPLE)
        if processes > 1:
            raise CannotRun("A closed loop has one process.", remedy=EXAMPLE)
        if on.external:
            raise CannotRun(
                "A closed loop has no rate, and what was not started here is used only below one.",
                remedy="Use an open loop: --rate RATE --rate-cap RATE",
            )
        closed = ClosedLoad(
            mix=mix, users=users, duration=duration, think=think, warm_up=warm_up, tenants=tenants_of(tenants)
        )

        async def drive(bed: "Testbed") -> None:
            async with profiling(bed, {CLIENT: getpid()}):
                await in_turns(bed, closed, on_progress=screen.progress(plan.title))

    else:
        if think:
            raise CannotRun("Nobody thinks in an open loop: iterations start when they are meant to.", remedy=CLOSED)
        if rate is None and not arrivals.startswith("trace:"):
            raise CannotRun("How often iterations are to start was not said.", remedy=f"{EXAMPLE}\n{CLOSED}")
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
        allowed(wish, plan, on.rate_cap, yes=on.yes, baseline=baseline)

        async def drive(bed: "Testbed") -> None:
            await generated(bed, wish, processes, profiling=profiling, on_progress=screen.progress(plan.title))

    run_under(plan, mix, on.workers, drive, baseline=baseline)


@spread
def capacity(
    names: NamesArgument,
    p99: Annotated[float, typer.Option(help="Seconds that 99 of 100 users may wait, from the intended start.")],
    start: Annotated[float, typer.Option("--from", help="The first rate tried, in iterations a second.")] = 10.0,
    most: Annotated[float, typer.Option("--to", help="The highest rate tried.")] = 1_000.0,
    seconds: Annotated[float, typer.Option(help="How long each rate is offered, at least.")] = 20.0,
    lag_budget: LagBudgetOption = 50.0,
    processes: ProcessesOption = 1,
    *,
    on: Anywhere,
) -> None:
    """Find the knee: the highest rate at which the objectives still hold; and what saturated beyond it."""
    from harness.checking.capacity import Limits
    from loadtests.capacity import Search
    from loadtests.capacity import capacity as find_knee

    search = Search(limits=Limits(p99=p99, lag_budget=lag_budget / 1e3), start=start, most=most, seconds=seconds)
    plan = plan_of(on.target, names, kind="capacity", **on.plan)
    mix = mix_of(plan.target, names)
    if on.external:
        allow_external(most, on.rate_cap, yes=on.yes)

    async def drive(bed: "Testbed") -> None:
        def told(step: "Step") -> None:
            screen.say(f"{step.rate:.3g}/s: {step.standing}, {step.reason}")

        found = await find_knee(bed, names, search, processes, on_step=told)
        screen.say(found.sentence)

    run_under(plan, mix, on.workers, drive, sampling=False)


@spread
def soak(
    names: NamesArgument,
    rate: RateOption,
    duration: Annotated[float, typer.Option(help="Seconds; an hour has 3600.")],
    warm_up: WarmUpOption = 0.0,
    in_flight: InFlightOption = 10_000,
    lag_budget: LagBudgetOption = 50.0,
    processes: ProcessesOption = 1,
    baseline: BaselineOption = False,
    profile: ProfileOption = False,
    *,
    on: Anywhere,
) -> None:
    """Keep a steady rate for hours, and tell by a trend test what grows: memory, handles, latency, histories."""
    from loadtests.soak import soak as keep_up

    plan = plan_of(on.target, names, kind="soak", **on.plan)
    wish = wish_of(
        names,
        rate=rate,
        duration=duration,
        arrivals="poisson",
        warm_up=warm_up,
        in_flight=in_flight,
        lag_budget=lag_budget / 1e3,
    )
    load, profiling = allowed(wish, plan, on.rate_cap, yes=on.yes, baseline=baseline), profiling_of(wanted=profile)

    async def drive(bed: "Testbed") -> None:
        await keep_up(bed, wish, processes, profiling=profiling, on_progress=screen.progress(plan.title))

    run_under(plan, load.mix, on.workers, drive, sampling=False, baseline=baseline)
