"""What every target is measured by: worker start-up and workflow overhead, each beside the bare SDK."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from small_target import small_target, standing

from harness import measurements
from harness.eventually import eventually
from harness.measurements import MeasurementFailed, timed, worker_startup, workflow_overhead
from harness.records.operations import Operation
from harness.records.run import Recorded
from harness.stack import Stack
from harness.target import BaselineSection, WorkerSection
from harness.testbed import Testbed

LATE = BaselineSection(command=["{python}", "-m", "small_process", "late"])
"""A baseline that is slower than the target by a third of a second, so that the difference is known."""


@pytest.fixture
async def bed(stack: Stack, tmp_path: Path) -> AsyncIterator[Testbed]:
    """A testbed for the tests' own target, with a slower worker to compare with."""
    async with standing(small_target(baseline=LATE), stack, tmp_path) as standing_bed:
        yield standing_bed


async def test_a_workers_startup_is_timed_beside_the_bare_sdks(bed: Testbed) -> None:
    """As many spawns of each as asked for, in seconds to a first result; no worker is left, and the run not touched."""
    told: list[str] = []
    own, bare = await worker_startup(bed, bed.target.scenario("small-echo"), 2, told.append)
    assert (own.name, own.unit, bare.name, bare.unit) == ("worker_startup", "s", "bare_worker_startup", "s")
    assert len(own.samples) == len(bare.samples) == 2
    assert all(0.05 < sample < 30 for sample in own.samples + bare.samples)
    assert told[0].startswith("worker start-up 1/2: ")
    assert "small-echo" in own.how
    assert not _children()
    assert bed.iterations == []
    assert Recorded(bed.run.directory).read(Operation) == []


async def test_workflow_overhead_is_timed_in_pairs(bed: Testbed) -> None:
    """The first pair warms up and is left out; the platform's share is the difference within each pair."""
    own, platform = await workflow_overhead(bed, bed.target.scenario("small-echo"), 2, lambda _: None)
    assert (own.name, own.unit, platform.name) == ("workflow_overhead", "ms", "platform_overhead")
    assert len(own.samples) == len(platform.samples) == 2
    assert all(sample > 0 for sample in own.samples)
    assert all(-5_000 < sample < -100 for sample in platform.samples), "the baseline is that much slower"
    assert not _children()


async def test_without_a_baseline_the_platforms_share_is_not_measured(stack: Stack, tmp_path: Path) -> None:
    """What cannot be compared is left out, not put at zero."""
    async with standing(small_target(), stack, tmp_path) as bed:
        (own,) = await workflow_overhead(bed, bed.target.scenario("small-echo"), 1, lambda _: None)
    assert own.name == "workflow_overhead"


async def test_overhead_is_the_time_outside_its_own_activities(bed: Testbed) -> None:
    """A timed iteration tells what it took in all and in its activities; those timed before it do not count."""
    steady = bed.target.scenario("small-steady")
    async with bed.workers(1, task_queue="small-timed"):
        for number in range(2):
            took = await timed(bed, steady, number, kind="timed", task_queue="small-timed")
            assert 0.2 <= took.in_activities < min(took.total, 0.4)
            assert took.overhead == took.total - took.in_activities
            await eventually(partial(_listed, bed, number + 1))


async def _listed(bed: Testbed, count: int) -> bool:
    """Whether visibility knows as many timed workflows: it lags behind."""
    query = f'WorkflowId STARTS_WITH "{bed.run.info.id}-timed"'
    return (await bed.client.count_workflows(query)).count == count


async def test_what_does_not_succeed_is_not_timed(bed: Testbed) -> None:
    """A workflow that fails gives no figure, but an error that says what was seen."""
    async with bed.workers(1, task_queue="small-failing"):
        with pytest.raises(MeasurementFailed, match=r"small-failing to be timed did not succeed: start ok.*on purpose"):
            await timed(bed, bed.target.scenario("small-failing"), 0, kind="timed", task_queue="small-failing")


async def test_a_worker_that_brings_no_result_is_no_figure(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that never polls ends the measurement with an error, and is not left running."""
    monkeypatch.setattr(measurements, "FIRST_RESULT_SECONDS", 0.5)
    idle = WorkerSection(command=["{python}", "-c", "import time; time.sleep(60)"])
    async with standing(small_target(worker=idle), stack, tmp_path) as bed:
        with pytest.raises(MeasurementFailed, match="startup-0 brought no result within"):
            await worker_startup(bed, bed.target.scenario("small-echo"), 1, lambda _: None)
        assert not _children()


def _children() -> list[str]:
    """Worker processes of these tests that still run."""
    commands = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
    return [
        command for command in commands if "small_process" in command or "baseline" in command or "sleep" in command
    ]
