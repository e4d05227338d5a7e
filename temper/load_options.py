"""The options that the verbs of `temper load` share."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_type_hints

import typer

from temper.options import (
    DEFAULT_TARGET,
    ExternalOption,
    PortOption,
    ProviderOption,
    SeedOption,
    TargetOption,
    YesOption,
)

EXAMPLE = "Example: temper load pipeline-slice --rate 6 --duration 20"

NamesArgument = Annotated[
    list[str],
    typer.Argument(metavar="NAME[=WEIGHT]…", help="Scenarios, or domains, each with its weight in the mix (1)."),
]
DurationOption = Annotated[float, typer.Option(help="Seconds over which iterations are started.")]
RATE = "Iterations started a second, on average, of all scenarios together."
RateOption = Annotated[float, typer.Option("--rate", help=RATE)]
MaybeRateOption = Annotated[float | None, typer.Option("--rate", help=RATE)]
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
WorkersOption = Annotated[int, typer.Option(min=1, max=256, help="Worker processes.")]
ProcessesOption = Annotated[
    int, typer.Option(min=1, max=256, help="Processes that generate the load; more than one where one is late.")
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


@dataclass(frozen=True, kw_only=True)
class Here:
    """What a load runs on, started for it: these are the options of every verb."""

    workers: WorkersOption = 2
    seed: SeedOption = 1
    target: TargetOption = DEFAULT_TARGET
    port: PortOption = None
    provider: ProviderOption = None

    @property
    def plan(self) -> Mapping[str, Any]:
        """What a `Plan` is told of it."""
        return {"seed": self.seed, "ports": self.port, "providers": self.provider}


@dataclass(frozen=True, kw_only=True)
class Anywhere(Here):
    """What a load runs on, started for it or there already."""

    external: ExternalOption = None
    rate_cap: RateCapOption = None
    yes: YesOption = False

    @property
    def plan(self) -> Mapping[str, Any]:
        """What a `Plan` is told of it."""
        return {**super().plan, "external": self.external}


def spread(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb as Typer is to see it: its last parameter, `on`, is replaced by the options that it is made of."""
    signature = inspect.signature(verb)
    *own, on = signature.parameters.values()
    hints = get_type_hints(on.annotation, include_extras=True)
    options = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(on.annotation)
    ]

    @functools.wraps(verb)
    def called(**given: Any) -> None:
        verb(on=on.annotation(**{option.name: given.pop(option.name) for option in options}), **given)

    called.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]  # PEP 362
    return called
