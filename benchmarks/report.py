"""What it costs to judge and to report a run of a million operations."""

import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from time import perf_counter, sleep

import psutil
from msgspec import Struct

from benchmarks.large_run import write_large_run
from benchmarks.result import Result

ITERATIONS = 500_000
"""Each makes two calls."""
BETWEEN_LOOKS = 0.1
"""Seconds between two looks at how much is resident."""


class Spent(Struct, frozen=True, kw_only=True):
    """What a command took."""

    seconds: float
    processor: float
    """Seconds of processor time, of the processes that it started too."""
    memory: int
    """Bytes that were resident at most, of all of them together."""


async def measure() -> AsyncIterator[Result]:
    """Put a large run to the gate and write its report, by the command that does both, and look what that took."""
    with tempfile.TemporaryDirectory() as results:
        directory = write_large_run(Path(results), ITERATIONS)
        page = directory / "report.html"
        spent = _spent("gate", str(directory), "--html", str(page))
        size = page.stat().st_size
        written = sum(file.stat().st_size for file in directory.glob("*.jsonl"))
    yield Result(
        name="gate and report",
        what=f"`temper gate --html` of a load of {2 * ITERATIONS:,} operations with all that it records: "
        f"{ITERATIONS:,} iterations, workflow runs, effects and facts, {written / 1e9:.1f} GB",
        value=spent.seconds,
        unit="s",
        at_most=10.0,
        behind=f"{spent.processor:.1f} s of processors",
    )
    yield Result(
        name="memory of gate and report",
        what="the most that was resident at once, of all its processes together",
        value=spent.memory / 1e6,
        unit="MB",
        at_most=1_000.0,
    )
    yield Result(name="size of the report", what="report.html of that run", value=size / 1e6, unit="MB", at_most=3.0)


def _spent(*arguments: str) -> Spent:
    """Run a command to its end. Raises RuntimeError where it gave no verdict, but could not judge the run."""
    begin, most = perf_counter(), 0
    words = [sys.executable, "-m", "temper", *arguments]
    unsaid = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = psutil.Process(os.posix_spawn(sys.executable, words, os.environ, file_actions=unsaid))
    while True:
        most = max(most, _resident(process))
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        sleep(BETWEEN_LOOKS)
    if os.waitstatus_to_exitcode(status) not in {0, 1}:
        message = f"temper {' '.join(arguments)} could not judge the run"
        raise RuntimeError(message)
    return Spent(
        seconds=perf_counter() - begin,
        processor=used.ru_utime + used.ru_stime,
        memory=max(most, used.ru_maxrss * 1024),
    )


def _resident(process: psutil.Process) -> int:
    """Bytes, of a process and of those that it started; of one that ends just now, none."""
    resident = 0
    with suppress(psutil.Error):
        for each in (process, *process.children(recursive=True)):
            resident += each.memory_info().rss
    return resident
