"""Scenarios, under load: `temper load`."""

from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

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
    from collections.abc import Callable, Sequence

    from harness.target import Target
    from harness.testbed import Testbed
    from loadtests.hosted import Wish
    from loadtests.hosting import Locust
    from loadtests.load import Load
    from loadtests.mix import Mix

    Beside = Callable[[Testbed, Mix], AbstractAsyncContextManager[None]]

EXAMPLE = "Example: temper load pipeline-slice --rate 6 --duration 20"

NamesArgument = Annotated[
    list[str],
    typer.Argument(metavar="NAME[=WEIGHT]…", help="Scenarios, or domains, each with its weight in the mix (1)."),
]
DurationOption = Annotated[float, typer.Option(help="Seconds over which iterations are started.")]
RateOption = Annotated[
    float | None, typer.Option(help="Iterations started a second, on average, of all scenarios together.")
]
ArrivalsOption = Annotated[
    str,
    typer.Option(
        metavar="SHAPE[:KEY=VALUE,…]",
        help="How they are spread: constant, poisson, ramp, step, spike, burst, sine, or trace:FILE.csv.",
    ),
]
WarmUpOption = Annotated[
    float, typer.Option(help="Seconds at the beginning that are left out of every figure of speed.")
]
TenantsOption = Annotated[
    str | None,
    typer.Option(metavar="N|NAME=SHARE,…", help="On whose behalf: each start carries its tenant's fairness key."),
]
InFlightOption = Annotated[
    int, typer.Option(min=1, help="Iterations at once, beyond which arrivals are shed, and count as failed.")
]
LagBudgetOption = Annotated[
    float, typer.Option(help="Milliseconds the generator may be late, at p99, before the run is void.")
]
WorkersOption = Annotated[int, typer.Option(min=1, help="Worker processes.")]
ProcessesOption = Annotated[
    int, typer.Option(min=1, help="Processes that generate the load; more than one where one is late.")
]
BaselineOption = Annotated[
    bool,
    typer.Option("--baseline", help="Once a second, a bare SDK workflow beside an iteration: the platform's overhead."),
]
ProfileOption = Annotated[
    bool, typer.Option("--profile", help="Show where the processor time of workers and client went, by py-spy.")
]
RateCapOption = Annotated[
    float | None, typer.Option(help="For external services: the highest rate you allow, of all together.")
]


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

    plan = _plan(target, names, seed=seed, external=external, ports=port, providers=provider)
    mix = _mix(plan.target, names)
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
            mix=mix, users=users, duration=duration, think=think, warm_up=warm_up, tenants=_tenants(tenants)
        )

        async def drive(bed: "Testbed") -> None:
            await in_turns(bed, closed, on_progress=screen.progress(plan.title))

    else:
        wish = _wish(
            names,
            rate=rate or 0.0,
            duration=duration,
            arrivals=arrivals,
            warm_up=warm_up,
            tenants=_tenants(tenants),
            in_flight=in_flight,
            lag_budget=lag_budget / 1e3,
        )
        load = _allowed(wish, plan, rate_cap, yes=yes)

        async def drive(bed: "Testbed") -> None:
            show = screen.progress(plan.title)
            if processes > 1:
                await from_processes(bed, wish, processes, on_progress=show)
            else:
                await under_load(bed, load, on_progress=show)

    _run(plan, mix, workers, drive, baseline=baseline, profile=profile)


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
    plan = _plan(target, names, kind="capacity", seed=seed, external=external, ports=port, providers=provider)
    mix = _mix(plan.target, names)
    if external:
        allow_external(most, rate_cap, yes=yes)
    search = Search(limits=Limits(p99=p99, lag_budget=lag_budget / 1e3), start=start, most=most, seconds=seconds)

    async def drive(bed: "Testbed") -> None:
        found = await find_knee(
            bed, mix, search, on_step=lambda step: screen.say(f"{step.rate:.3g}/s: {step.standing}, {step.reason}")
        )
        screen.say(found.sentence)

    _run(plan, mix, workers, drive, sampling=False)


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

    plan = _plan(target, names, kind="soak", seed=seed, external=external, ports=port, providers=provider)
    wish = _wish(
        names,
        rate=rate or 0.0,
        duration=duration,
        arrivals="poisson",
        warm_up=warm_up,
        in_flight=in_flight,
        lag_budget=lag_budget / 1e3,
    )
    load = _allowed(wish, plan, rate_cap, yes=yes)

    async def drive(bed: "Testbed") -> None:
        await keep_up(bed, load, on_progress=screen.progress(plan.title))

    _run(plan, load.mix, workers, drive, sampling=False)


def ui(
    names: NamesArgument,
    rate: RateOption = 5.0,
    duration: DurationOption = 60.0,
    arrivals: ArrivalsOption = "constant",
    loop: Annotated[
        str,
        typer.Option(help="open: at the arrivals' times; closed: when a user has its answer; both: side by side."),
    ] = "open",
    pace: Annotated[float, typer.Option(help="In a closed loop, seconds from one start of a user to its next.")] = 1.0,
    headless: Annotated[bool, typer.Option("--headless", help="Start at once, without the web UI.")] = False,
    ui_port: Annotated[int, typer.Option(help="Where the web UI listens.")] = 8089,
    processes: ProcessesOption = 1,
    machines: Annotated[
        int, typer.Option(min=0, help="Processes on other machines to wait for; none is started here then.")
    ] = 0,
    host: Annotated[str, typer.Option(help="Where the web UI and the master listen.")] = "127.0.0.1",
    workers: WorkersOption = 2,
    seed: SeedOption = 1,
    target: TargetOption = DEFAULT_TARGET,
    port: PortOption = None,
    provider: ProviderOption = None,
) -> None:
    """Host the load in Locust: its web UI, its master and workers; what was driven is judged like any other load."""
    from loadtests.hosted import Loop
    from loadtests.hosting import Hosting, hosted
    from loadtests.loop import new_event_loop

    if loop not in {each.value for each in Loop}:
        raise CannotRun(f"There is no loop {loop!r}.", remedy="Say open, closed or both.")
    plan = _plan(target, names, seed=seed, ports=port, providers=provider)
    wish = _wish(names, rate=rate or 0.0, duration=duration, arrivals=arrivals, loop=Loop(loop), pace=pace)
    load = _allowed(wish, plan, None, yes=False)
    hosting = Hosting(processes=processes, machines=machines, ui_port=None if headless else ui_port, host=host)

    async def work() -> None:
        async with AsyncExitStack() as outliving:  # the web UI has a link to the report, once that is written

            async def drive(bed: "Testbed") -> None:
                if hosting.machines:
                    screen.say(f"on each other machine, beside the same temper.toml: {hosting.worker_command()}")
                locust = await outliving.enter_async_context(hosted(bed, wish, hosting))
                if not headless:
                    screen.say(f"Locust's web UI, where the load is started: http://{host}:{ui_port}")
                await locust.loaded()
                if not headless:
                    outliving.push_async_exit(partial(_stay, locust))

            await _driven(plan, load.mix, workers, drive, [_sampled])

    run_to_end(work(), new_event_loop)


async def _stay(locust: "Locust", kind: type[BaseException] | None, *_: Any) -> None:
    """Leave the web UI standing where the run came to its verdict, whatever that is."""
    if kind is None or issubclass(kind, typer.Exit):
        screen.say("Locust's web UI stays, with the report; Ctrl-C ends it")
        await locust.closed()


def _plan(target: Any, names: list[str], *, kind: str = "load", **options: Any) -> Plan:
    from harness.target import Target

    return Plan(target=Target.read(target), kind=kind, title=" ".join(names), **options)


def _mix(target: "Target", names: list[str]) -> "Mix":
    from loadtests.mix import Mix

    return Mix.of(target, names)


def _tenants(told: str | None) -> dict[str, float]:
    from loadtests.mix import tenants_of

    return dict(tenants_of(told)) if told else {}


def _wish(names: list[str], **options: Any) -> "Wish":
    from loadtests.hosted import Wish

    return Wish(mix=names, **options)


def _allowed(wish: "Wish", plan: Plan, rate_cap: float | None, *, yes: bool) -> "Load":
    """The load that is wished for. Raises CannotRun where it is none, or where what is not ours may not get it."""
    try:
        load = wish.load(plan.target)
    except ValueError as error:
        raise CannotRun(f"{error}.", remedy=EXAMPLE) from error
    if plan.external:
        allow_external(load.arrivals.highest, rate_cap, yes=yes)
    return load


def _run(
    plan: Plan,
    mix: "Mix",
    workers: int,
    drive: "Callable[[Testbed], Any]",
    *,
    sampling: bool = True,
    baseline: bool = False,
    profile: bool = False,
) -> None:
    """A testbed with workers, prepared, under what `drive` does, sampled meanwhile unless `drive` samples itself."""
    from loadtests.loop import new_event_loop

    beside = [look for look, wanted in ((_sampled, sampling), (_paired, baseline), (_profiled, profile)) if wanted]
    run_to_end(_driven(plan, mix, workers, drive, beside), new_event_loop)


async def _driven(
    plan: Plan, mix: "Mix", workers: int, drive: "Callable[[Testbed], Any]", beside: "Sequence[Beside]"
) -> None:
    async with judged(plan) as bed, bed.workers(workers):
        await bed.prepare(*mix.scenarios)
        async with AsyncExitStack() as watching:
            for each in beside:
                await watching.enter_async_context(each(bed, mix))
            await drive(bed)


def _sampled(bed: "Testbed", mix: "Mix") -> "AbstractAsyncContextManager[None]":  # noqa: ARG001  # as the others
    from harness.sampling import sampled

    return sampled(bed)


def _paired(bed: "Testbed", mix: "Mix") -> "AbstractAsyncContextManager[None]":
    from loadtests.pairs import paired

    return paired(bed, mix)


def _profiled(bed: "Testbed", mix: "Mix") -> "AbstractAsyncContextManager[None]":  # noqa: ARG001  # as the others
    from harness.profiling import profiled

    return profiled(bed)
