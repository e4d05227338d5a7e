"""A load comes from several processes: together they drive what one would, and who dies is told."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from small_target import standing

from harness.eventually import eventually
from harness.profiling import profiled
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.run import Recorded
from harness.records.verdicts import Verdict
from harness.stack import Stack
from harness.target import Target
from harness.testbed import Testbed
from loadtests.engine import Progress
from loadtests.hosted import Wish
from loadtests.processes import GeneratorFailed, from_processes

SMALL = Path(__file__).parent.parent / "small.toml"


@pytest.fixture
async def bed(stack: Stack, tmp_path: Path) -> AsyncIterator[Testbed]:
    """A testbed of a target that other processes can read too, with a worker."""
    async with standing(Target.read(SMALL), stack, tmp_path) as bed, bed.workers(1):
        yield bed


@pytest.mark.thorough
async def test_processes_share_a_load(bed: Testbed) -> None:
    """Each iteration is driven once, by one of them; all are judged together, what broke as well."""
    wish = Wish(mix=["small-echo=3", "small-failing"], rate=20, duration=1, warm_up=0.3, tenants={"gold": 1.0})
    seen: list[Progress] = []
    await from_processes(bed, wish, 2, on_progress=seen.append)
    judgements = {judgement.invariant: judgement for judgement in await bed.conclude()}
    recorded = Recorded(bed.run.directory)
    iterations = recorded.read(Iteration)
    assert Counter(each.scenario for each in iterations) == {"small-echo": 15, "small-failing": 5}
    starts = [op for op in recorded.read(Operation) if op.kind is Kind.START]
    assert Counter((op.scenario, op.iteration) for op in starts) == Counter(
        (each.scenario, each.index) for each in iterations
    )
    assert {op.ack for op in starts} == {Ack.OK}
    assert sum(op.warm_up for op in starts) == 6
    assert recorded.info.load is not None
    assert recorded.info.load.processes == 2
    assert (seen[-1].planned, seen[-1].started, seen[-1].ended) == (20, 20, 20)
    assert judgements["small-echo: its own check"].verdict is Verdict.VALID
    assert judgements["every workflow closed"].verdict is Verdict.INVALID, "one scenario fails on purpose"


async def test_a_process_that_dies_ends_the_load(bed: Testbed) -> None:
    """It is named; what had been recorded by then is there, in a run that is partial."""
    wish = Wish(mix=["small-echo"], rate=10, duration=60)
    load = asyncio.create_task(from_processes(bed, wish, 2))
    recorded = await eventually(lambda: Recorded(bed.run.directory).read(Operation), timeout=60)
    await eventually(lambda: _kill_one(bed), timeout=10)
    with pytest.raises(GeneratorFailed, match=r"generator-\d ended before its share of the load was driven"):
        await load
    assert recorded
    assert Recorded(bed.run.directory).info.partial
    assert not (bed.stack.directory / "generators").exists()


async def test_the_process_that_failed_is_named_and_not_one_that_is_slow(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second ends at once, and the first has not started yet: it is the second's log that says why."""
    script = 'test "$2" = 0 && exec sleep 60; echo out of luck; exit 3'
    monkeypatch.setattr("loadtests.processes.PART", ("/bin/sh", "-c", script, "sh"))
    async with standing(Target.read(SMALL), stack, tmp_path) as bed:
        with pytest.raises(GeneratorFailed, match=r"generator-2 ended with exit code 3[\s\S]*out of luck"):
            await from_processes(bed, Wish(mix=["small-echo"], rate=10, duration=1), 2)


async def test_a_process_that_never_connects_is_not_waited_for_for_ever(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says which it is, and no more: a target's client may hang there, or what its scenarios read."""
    hangs = (
        "import socket, sys, time\n"
        "leader = socket.socket(socket.AF_UNIX)\n"
        "leader.connect(sys.argv[1])\n"
        "leader.sendall(sys.argv[2].encode() + b'\\n')\n"
        "time.sleep(60)"
    )
    monkeypatch.setattr("loadtests.processes.PART", (sys.executable, "-c", hangs))
    monkeypatch.setattr("loadtests.processes.CONNECT_SECONDS", 2.0)
    async with standing(Target.read(SMALL), stack, tmp_path) as bed:
        with pytest.raises(GeneratorFailed, match="generator-1 was not ready within 2 s: it has not"):
            await from_processes(bed, Wish(mix=["small-echo"], rate=10, duration=1), 1)


@pytest.mark.thorough
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look at any process here")
async def test_each_process_is_profiled(bed: Testbed) -> None:
    """It is they that make the load, and not the process that leads them."""
    await from_processes(bed, Wish(mix=["small-echo"], rate=10, duration=1), 2, profiling=profiled)
    written = {path.stem for path in (bed.run.directory / "profiles").glob("*.folded")}
    assert written == {"generator-1", "generator-2", "worker-1"}


def _kill_one(bed: Testbed) -> bool:
    """Kill a generator of this bed; whether there was one."""
    socket = str(bed.stack.directory / "generators")
    for child in psutil.Process().children(recursive=True):
        if socket in child.cmdline() and "loadtests.part" in child.cmdline():
            child.kill()
            return True
    return False
