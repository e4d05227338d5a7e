"""The options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

TargetOption = Annotated[Path, typer.Option("--target", help="The target's description.")]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed draws the same inputs and arrivals.")]
ExternalOption = Annotated[
    list[str] | None,
    typer.Option("--external", metavar="SERVICE=ADDRESS", help="Use a service that runs already. Repeatable."),
]
PortOption = Annotated[
    list[str] | None,
    typer.Option("--port", metavar="SERVICE=PORT", help="Fix the port of a service that is started. Repeatable."),
]
ProviderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--provider",
        metavar="[SERVICE=]embedded|container",
        help="Where services come from: a child process, or a container of Docker or Podman. Repeatable.",
    ),
]
YesOption = Annotated[
    bool, typer.Option("--yes", help="For external services: they are mine, and may be migrated and written to.")
]
HistoriesOption = Annotated[Path, typer.Option("--histories", help="The folder of golden histories.")]
NamesArgument = Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="Scenarios, or domains.")]
EveryOption = Annotated[bool, typer.Option("--all", help="Every scenario of the target.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run of an experiment: its name, or its directory.")]
RunsArgument = Annotated[list[str] | None, typer.Argument(metavar="RUN…", help="Runs; the newest otherwise.")]
DEFAULT_TARGET = Path("temper.toml")
HISTORIES = Path("tests/data/histories")
