"""A load is profiled: the stacks of each worker and of the client are in the run, and its conditions say so."""

import asyncio
import os
from pathlib import Path

import psutil
import pytest
from small_target import small_target, standing

from harness.errors import CannotRun
from harness.profiling import NOTE, profiled
from harness.records.samples import CLIENT
from harness.stack import Stack
from reports.flames import read_stacks

SEEN = 0.3
"""Seconds of processor time, in which it is looked at thirty times."""
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look at any process here")


async def test_workers_and_client_are_looked_at(stack: Stack, tmp_path: Path) -> None:
    """While they work: until each has used time enough to be seen at it."""
    target = small_target()
    scenario = target.scenario("small-echo")
    async with standing(target, stack, tmp_path) as bed, bed.workers(1) as workers:
        worker = psutil.Process(workers[0].pid)
        async with profiled(bed, {CLIENT: os.getpid()}):
            looked_at = (worker, psutil.Process())
            before = [sum(process.cpu_times()[:2]) for process in looked_at]
            while any(sum(p.cpu_times()[:2]) - b < SEEN for p, b in zip(looked_at, before, strict=True)):
                await asyncio.gather(*(bed.once(scenario) for _ in range(10)))
        caveats = bed.fingerprint().caveats
    profiles = bed.run.directory / "profiles"
    assert NOTE in caveats
    for name in ("worker-1", "client"):
        frames = [frame for stack in read_stacks(profiles / f"{name}.folded") for frame in stack]
        assert any("asyncio" in frame or "temporalio" in frame for frame in frames), name


async def test_what_cannot_be_looked_at_is_told(stack: Stack, tmp_path: Path) -> None:
    """A worker that has died has no profile, and the run goes on."""
    target, notes = small_target(), list[str]()
    async with standing(target, stack, tmp_path, notify=notes.append) as bed, bed.workers(1) as workers:
        await workers[0].kill()
        async with profiled(bed, {CLIENT: os.getpid()}):
            pass
    assert [note for note in notes if note.startswith("worker-1 could not be profiled; ")]


async def test_without_the_program_nothing_begins(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says how to get it."""
    monkeypatch.setattr("harness.profiling.shutil.which", lambda *_, **__: None)
    async with standing(small_target(), stack, tmp_path) as bed:
        with pytest.raises(CannotRun, match="pip install"):
            async with profiled(bed, {CLIENT: os.getpid()}):
                pass
