"""Hosts a load in Locust: starts its processes as children, waits until it has ended, takes in what was driven."""

import asyncio
import contextlib
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.errors import HarnessError
from harness.records.hosted import Hosted
from harness.records.operations import Iteration
from harness.records.run import Recorded
from harness.services.ports import free_port
from harness.services.process import Process
from harness.testbed import Testbed
from loadtests.hosted import Wish
from loadtests.processes import plan_for

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
LOOK_EVERY = 0.1
END_SECONDS = 20.0
"""What Locust has to end in order, once it was told to."""


class LocustFailed(HarnessError):
    """Locust ended before the load had; the message quotes its log."""


@dataclass(frozen=True, kw_only=True)
class Hosting:
    """How Locust is to run."""

    processes: int = 1
    """Processes on this machine that drive the load; with more than one there is a master beside them."""
    machines: int = 0
    """Processes on other machines that are waited for; then all are told where the master is, and none is started."""
    ui_port: int | None = None
    """Where the web UI listens, and waits for somebody to start the load; None to start it at once, without one."""
    host: str = "127.0.0.1"
    """Where the UI and the master listen."""
    master_port: int = field(default_factory=free_port)
    locustfile: Path = LOCUSTFILE
    rate_cap: float | None = None
    """The highest rate that may be asked for at the web UI, in iterations a second; None where services are ours."""

    def command(self, address: str) -> list[str]:
        """How Locust is started, for a Temporal at this address."""
        command = [sys.executable, "-m", "locust", "--locustfile", str(self.locustfile), "--host", address]
        if self.machines:
            command += ["--master", "--expect-workers", str(self.machines)]
        elif self.processes > 1:
            command += ["--processes", str(self.processes), "--master-port", str(self.master_port)]
        command += ["--master-bind-host", self.host, "--master-bind-port", str(self.master_port)]
        if self.ui_port is None:
            return [*command, "--headless", "--only-summary"]
        return [*command, "--web-host", self.host, "--web-port", str(self.ui_port)]

    def worker_command(self) -> str:
        """What to type on another machine, beside the same temper.toml; the locustfile comes from the master."""
        words = ["locust", "-f", "-", "--worker", "--master-host", self.host, "--master-port", str(self.master_port)]
        return shlex.join(words)


class Locust:
    """A Locust that runs, or has run."""

    def __init__(self, bed: Testbed, process: Process, *, stays: bool) -> None:
        self.process = process
        self._bed = bed
        self._stays = stays

    async def loaded(self) -> Hosted:
        """Wait until the load has ended, and take it into the testbed, to be judged. Raises LocustFailed.

        Without a web UI Locust has ended then; with one it goes on showing what it saw.
        """
        while self.process.alive and not (self._stays and _ended(self._bed)):  # noqa: ASYNC110  # they are processes
            await asyncio.sleep(LOOK_EVERY)
        if not _ended(self._bed):
            raise LocustFailed(str(self.process.failure("ended before the load had")))
        return take_in(self._bed)

    async def closed(self) -> None:
        """Wait until Locust ends, or until told to stop, as by Ctrl-C: all was done then, and nothing is cut off."""
        with contextlib.suppress(asyncio.CancelledError):
            await self.process.wait()


@asynccontextmanager
async def hosted(bed: Testbed, wish: Wish, hosting: Hosting) -> AsyncIterator[Locust]:
    """A Locust that drives this load, or waits for somebody to start it; it ends with the block.

    Workers must be up, and the target prepared. It goes past all links.
    """
    plan = msgspec.structs.replace(plan_for(bed, wish), rate_cap=hosting.rate_cap)
    process = Process(
        "locust",
        hosting.command(bed.stack.addresses["temporal.address"]),
        env=plan.environment,
        log_path=bed.run.logs / "locust.log",
    )
    process.start()
    try:
        yield Locust(bed, process, stays=hosting.ui_port is not None)
    finally:
        await process.terminate(END_SECONDS)


def take_in(bed: Testbed) -> Hosted:
    """Take what Locust drove into the testbed of the same run: its load, its iterations, what broke in scenarios.

    Of a load that was stopped, what was meant to start later is left out.
    """
    recorded = Recorded(bed.run.directory)
    load = recorded.hosted()
    assert load is not None
    bed.run.under_load(load.load)
    known = {(each.scenario, each.index) for each in bed.iterations}
    bed.iterations += [
        each
        for each in recorded.read(Iteration)
        if (each.scenario, each.index) not in known
        and not (load.stopped and load.ended is not None and each.intended > load.ended)
    ]
    bed.broken += load.broken
    return load


def _ended(bed: Testbed) -> bool:
    found = Recorded(bed.run.directory).hosted()
    return found is not None and found.ended is not None
