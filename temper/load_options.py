"""The options that the verbs of `temper load` share."""

from typing import Annotated

import typer

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
