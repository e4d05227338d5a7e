"""A target of the tests' own: small workflows on a worker process, standing on the session's servers."""

import secrets
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from small_worker import Quiet

from harness.driver import App
from harness.records.run import Run
from harness.stack import Stack
from harness.target import Target, TargetFile, WorkerSection
from harness.testbed import Testbed, Wanted


class Echoes(Quiet):
    """One workflow with one activity."""

    name = "small-echo"
    proves = "a word comes back"

    async def run(self, app: App, given: Any) -> None:
        await app.result(await app.start("Echo", "hello", result_type=str))


class Steady(Quiet):
    """One workflow that spends a fifth of a second in an activity."""

    name = "small-steady"

    async def run(self, app: App, given: Any) -> None:
        await app.result(await app.start("Steady", ""))


class Failing(Quiet):
    """One workflow that fails, which it may not."""

    name = "small-failing"

    async def run(self, app: App, given: Any) -> None:
        await app.result(await app.start("Fails", "on purpose"))


SCENARIOS = [Echoes(), Steady(), Failing()]


def small_target(**changes: Any) -> Target:
    """The target, on a task queue that no other test shares, with these keys of its temper.toml changed."""
    file = TargetFile(
        name="small",
        task_queue=f"small-{secrets.token_hex(4)}",
        services=["temporal"],
        scenarios="small_target:SCENARIOS",
        environment={"TEMPORAL_ADDRESS": "{temporal.address}", "TASK_QUEUE": "{worker.task_queue}"},
        worker=WorkerSection(command=["{python}", "-m", "small_process"]),
    )
    return Target(Path(__file__).with_name("temper.toml"), msgspec.structs.replace(file, **changes))


@asynccontextmanager
async def standing(
    target: Target,
    stack: Stack,
    results: Path,
    *,
    links: bool = False,
    journal: bool = False,
    notify: Callable[[str], None] = lambda _: None,
    postgres_url: str = "",
    own: Collection[str] = (),
) -> AsyncIterator[Testbed]:
    """A testbed on the session's servers, in a run of its own; only its `own`, and a Toxiproxy for links, are started.

    A Temporal of its own is persistent.
    """
    external = {name: stack[name].url for name in target.file.services if name not in own}
    if "postgres" in external and postgres_url:
        external["postgres"] = postgres_url
    wanted = Wanted(links=links, journal=journal, external=external, persistent=True)
    with Run.create(results, kind="scenario", title="a test", target=target.file.name, seed=1, command="pytest") as run:
        async with Testbed.standing(target, run, wanted, notify) as bed:
            yield bed
