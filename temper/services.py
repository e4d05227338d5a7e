"""What a machine has, what a target is, and its services in the foreground: `temper doctor`, `init` and `up`."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import CannotRun
from harness.options import pairs_of, ports_of, providers_of
from temper.ending import FAILED, run_to_end
from temper.judged import RESULTS
from temper.options import DEFAULT_TARGET, ExternalOption, PortOption, ProviderOption
from temper.terminal import screen

SCENARIOS_OF_STARTER = "my_scenarios.py"
"""The module that the starter's temper.toml names."""


def doctor() -> None:
    """Show what is installed, what each provider can use, and how to get what is missing."""
    from harness.doctor import as_text, inspect

    findings = asyncio.run(inspect())
    print(as_text(findings))
    if any(finding.needed and not finding.available for finding in findings):
        raise typer.Exit(FAILED)


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = DEFAULT_TARGET,
) -> None:
    """Write a commented temper.toml that describes your own system, and a scenario; it never overwrites anything."""
    from harness.target import STARTER, STARTER_SCENARIOS

    _write_new(path, STARTER)
    wrote, scenarios = str(path), path.with_name(SCENARIOS_OF_STARTER)
    if not scenarios.exists():
        _write_new(scenarios, STARTER_SCENARIOS)
        wrote += f" and {scenarios}"
    there = "" if path == DEFAULT_TARGET else f" --target {path}"
    print(f"wrote {wrote}. Fill in what is marked, then: temper scenario list{there}")


def _write_new(path: Path, starter: Path) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter.read_text(encoding="utf-8"))
    except FileExistsError:
        raise CannotRun(f"{path} exists already.", remedy="Move it away, or name another file.") from None
    except OSError as error:
        raise CannotRun(f"{path} cannot be written: {error.strerror}.", remedy="Name another file.") from error


def up(
    only: Annotated[str, typer.Option("--only", help="Some services, with commas; all four otherwise.")] = "",
    external: ExternalOption = None,
    port: PortOption = None,
    provider: ProviderOption = None,
) -> None:
    """Start the services in the foreground, and print their addresses and UIs, until Ctrl-C."""
    names = [name.strip() for name in only.split(",") if name.strip()] or ["temporal", "postgres", "redis", "toxiproxy"]
    run_to_end(_up(names, pairs_of(external), ports_of(port), providers_of(provider)))


async def _up(names: Sequence[str], external: dict[str, str], ports: dict[str, int], providers: dict[str, str]) -> None:
    from datetime import UTC, datetime

    from harness.stack import Stack

    logs = RESULTS / f"up-{datetime.now(tz=UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    stack = Stack.of(names, provider=providers, log_directory=logs, external=external, ports=ports, notify=screen.say)
    async with stack:
        for name, address in stack.addresses.items():
            if name.endswith((".url", ".ui")):
                print(f"{name:<16} {address}")
        print(f"Ctrl-C stops them. Their logs: {logs}", flush=True)
        await asyncio.Event().wait()
