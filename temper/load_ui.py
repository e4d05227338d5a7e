"""A load that Locust hosts: `temper load ui`."""

from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import CannotRun
from harness.options import pairs_of
from temper.ending import run_to_end
from temper.load_options import (
    Anywhere,
    ArrivalsOption,
    DurationOption,
    InFlightOption,
    LagBudgetOption,
    NamesArgument,
    ProcessesOption,
    RateOption,
    TenantsOption,
    WarmUpOption,
    spread,
)
from temper.loading import allowed, driven, plan_of, sampled_beside, tenants_of, wish_of
from temper.terminal import screen

if TYPE_CHECKING:
    from harness.testbed import Testbed
    from loadtests.hosting import Locust
    from temper.judged import Plan

LOOPBACK = "127.0.0.1"


@spread
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
    warm_up: WarmUpOption = 0.0,
    tenants: TenantsOption = None,
    in_flight: InFlightOption = 10_000,
    lag_budget: LagBudgetOption = 50.0,
    headless: Annotated[bool, typer.Option("--headless", help="Start at once, without the web UI.")] = False,
    ui_port: Annotated[int, typer.Option(min=1, max=65535, help="Where the web UI listens.")] = 8089,
    processes: ProcessesOption = 1,
    machines: Annotated[
        int,
        typer.Option(
            min=0, help="Processes on other machines to wait for, which can reach --host and every --external."
        ),
    ] = 0,
    host: Annotated[str, typer.Option(help="Where the web UI and the master listen.")] = LOOPBACK,
    *,
    on: Anywhere,
) -> None:
    """Host the load in Locust: its web UI, its master and workers; what was driven is judged like any other load."""
    from loadtests.hosted import Loop
    from loadtests.hosting import Hosting, hosted
    from loadtests.loop import new_event_loop

    if loop not in {each.value for each in Loop}:
        raise CannotRun(f"There is no loop {loop!r}.", remedy="Say open, closed or both.")
    plan = plan_of(on.target, names, **on.plan)
    if machines:
        _refuse_unreachable(plan, host, processes)
    wish = wish_of(
        names,
        rate=rate,
        duration=duration,
        arrivals=arrivals,
        loop=Loop(loop),
        pace=pace,
        warm_up=warm_up,
        tenants=tenants_of(tenants),
        in_flight=in_flight,
        lag_budget=lag_budget / 1e3,
    )
    load = allowed(wish, plan, on.rate_cap, yes=on.yes)
    hosting = Hosting(
        processes=processes,
        machines=machines,
        ui_port=None if headless else ui_port,
        host=host,
        rate_cap=on.rate_cap if on.external else None,
    )

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

            await driven(plan, load.mix, on.workers, drive, [sampled_beside])

    run_to_end(work(), new_event_loop)


def _refuse_unreachable(plan: "Plan", host: str, processes: int) -> None:
    """Raises CannotRun where processes on other machines would not find what they need, or one is to be here."""
    if processes > 1:
        raise CannotRun("Of --processes and --machines one is too many.", remedy="Say how many to wait for: --machines")
    if host == LOOPBACK:
        raise CannotRun(
            "Where other machines find this one was not said.", remedy="Its address, as they know it: --host ADDRESS"
        )
    file = plan.target.file
    if ours := sorted({*file.services, *plan.target.processes} - set(pairs_of(plan.external))):
        raise CannotRun(
            f"Other machines cannot reach what is started here: {', '.join(ours)}.",
            remedy=f"Say where it stands: {' '.join(f'--external {name}=ADDRESS' for name in ours)}",
        )


async def _stay(locust: "Locust", kind: type[BaseException] | None, *_: Any) -> None:
    """Leave the web UI standing where the run came to its verdict, whatever that is."""
    if kind is None or issubclass(kind, typer.Exit):
        screen.say("Locust's web UI stays, with the report; Ctrl-C ends it")
        await locust.closed()
