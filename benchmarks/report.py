"""What it costs to judge and to report a run of a million operations."""

import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter

from msgspec import Struct

from benchmarks.large_run import write_large_run
from benchmarks.result import Result

ITERATIONS = 500_000
"""Each makes two calls."""


class Spent(Struct, frozen=True, kw_only=True):
    """What a command took."""

    seconds: float
    processor: float
    """Seconds of processor time."""
    memory: int
    """Bytes that were resident at most."""


async def measure() -> AsyncIterator[Result]:
    """Put a large run to the gate, write its report, each by its command, and look what that took."""
    with tempfile.TemporaryDirectory() as results:
        directory = write_large_run(Path(results), ITERATIONS)
        spent = {command: _spent(command, directory) for command in ("gate", "report")}
        page = (directory / "report.html").stat().st_size
        written = sum(file.stat().st_size for file in directory.glob("*.jsonl"))
    yield Result(
        name="gate and report",
        what=f"`temper gate` and then `temper report` of a load of {2 * ITERATIONS:,} operations with all that it "
        f"records: {ITERATIONS:,} iterations, workflow runs, effects and facts, {written / 1e9:.1f} GB",
        value=sum(each.seconds for each in spent.values()),
        unit="s",
        at_most=10.0,
        behind=", ".join(
            f"{command} {each.seconds:.1f} s, {each.processor:.1f} s of processors" for command, each in spent.items()
        ),
    )
    yield Result(
        name="memory of gate and report",
        what="the most that was resident of either, for that run",
        value=max(each.memory for each in spent.values()) / 1e6,
        unit="MB",
        at_most=1_000.0,
    )
    yield Result(name="size of the report", what="report.html of that run", value=page / 1e6, unit="MB", at_most=3.0)


def _spent(command: str, directory: Path) -> Spent:
    """Run a command to its end. Raises RuntimeError where it gave no verdict, but could not judge the run."""
    begin = perf_counter()
    words = [sys.executable, "-m", "temper", command, str(directory)]
    unsaid = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    _, status, used = os.wait4(os.posix_spawn(sys.executable, words, os.environ, file_actions=unsaid), 0)
    if os.waitstatus_to_exitcode(status) not in {0, 1}:
        message = f"temper {command} could not judge {directory}"
        raise RuntimeError(message)
    seconds = perf_counter() - begin
    return Spent(seconds=seconds, processor=used.ru_utime + used.ru_stime, memory=used.ru_maxrss * 1024)
