"""Profiles, during a load, where the processor time goes of the workers and of what makes the load: by py-spy."""

import asyncio
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from harness.errors import CannotRun, ServiceFailed
from harness.services.process import NotReady, Process
from harness.testbed import Testbed

RATE = 100
"""Looks a second. Each stops the process for about a millisecond."""
WRITE_SECONDS = 20.0
"""What py-spy has to write down what it saw."""
BEGIN_SECONDS = 30.0
"""What it has to read the process's symbols."""
LOOKING = "py-spy> Sampling process"
"""What it says when it begins to look."""
NOTE = "It was profiled: looking at a process stops it for moments, so its figures of speed are not to be compared"


@asynccontextmanager
async def profiled(bed: Testbed, clients: Mapping[str, int]) -> AsyncIterator[None]:
    """Inside the block, look at the stacks of each worker and client; then write them into the run.

    Clients are what makes the load, by their names and pids. A file for each in profiles/, a line for each stack: its
    frames from the outermost, and how often it was seen. A process that cannot be looked at is told. Workers must be
    up; one that comes later is left out. Raises CannotRun without py-spy.
    """
    spy = _spy()
    directory = bed.run.directory / "profiles"
    directory.mkdir(exist_ok=True)
    bed.caveats.append(NOTE)
    roots = {**{worker.name: worker.pid for worker in bed.at_work}, **clients}
    spies = [_looking_at(bed, spy, name, pid, directory) for name, pid in roots.items()]
    try:
        await asyncio.gather(*(_begun(each) for each in spies))
        yield
    finally:
        await asyncio.gather(*(each.terminate(WRITE_SECONDS, number=signal.SIGINT) for each in spies))
        for name in roots:
            if not (directory / f"{name}.folded").exists():
                bed.notify(f"{name} could not be profiled; {bed.run.logs / f'py-spy-{name}.log'} says why")


def _looking_at(bed: Testbed, spy: str, name: str, pid: int, directory: Path) -> Process:
    words = [spy, "record", "--pid", str(pid), "--rate", str(RATE), "--format", "raw", "--nolineno"]
    output = directory / f"{name}.folded"
    return Process(f"py-spy-{name}", [*words, "--output", str(output)], log_path=bed.run.logs / f"py-spy-{name}.log")


async def _begun(spy: Process) -> None:
    """Start it, and wait until it looks; what cannot be looked at ends it, and is told later."""
    spy.start()
    with suppress(ServiceFailed):
        await spy.ready(partial(_looks, spy), BEGIN_SECONDS)


async def _looks(spy: Process) -> None:
    if not any(line.startswith(LOOKING) for line in spy.last_lines()):
        raise NotReady("it does not look yet")


def _spy() -> str:
    """The program; raises CannotRun."""
    found = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if found is None:
        raise CannotRun("A profile needs py-spy, which was not found.", remedy="pip install 'temper-harness[load]'")
    return found
