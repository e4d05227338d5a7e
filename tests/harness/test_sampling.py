"""A run is sampled while it goes on, whatever dies in it, and nothing of that ends the run."""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
from small_target import small_target, standing

from harness.checking.advice import TuningVerdict
from harness.checking.counted import Samples
from harness.checking.tuning import advise
from harness.eventually import eventually
from harness.records.run import FILES, Recorded, Run
from harness.records.samples import (
    CLIENT,
    CPU,
    MACHINE,
    MEMORY,
    MEMORY_PEAK,
    POLL_SUCCESS,
    SLOTS_AVAILABLE,
    UP,
    Sample,
    series,
)
from harness.sampling import sampled
from harness.stack import Stack
from harness.target import Target, WorkerSection
from harness.testbed import Testbed, Wanted

WORKFLOW_TASKS = series(POLL_SUCCESS, task_type="Workflow")
FREE = series(SLOTS_AVAILABLE, worker_type="WorkflowWorker")


def measured_target() -> Target:
    """The small target, with a worker that shows what it measures."""
    target = small_target()
    return small_target(
        environment={**target.file.environment, "METRICS": "{worker.metrics}"},
        worker=msgspec.structs.replace(target.file.worker, metrics="http://{worker.metrics}/metrics"),
    )


def seen_by(bed: Testbed) -> Samples:
    return Samples(Recorded(bed.run.directory).read(Sample))


def ups(bed: Testbed, source: str) -> Sequence[float]:
    return [up for _, up in seen_by(bed).points(source, UP)]


async def test_server_and_worker_are_sampled_though_the_worker_dies_and_comes_back(tmp_path: Path) -> None:
    """A dev server and a worker say what they count; a dead worker is told, and the one after it goes on."""
    target, notes = measured_target(), list[str]()
    scenario = target.scenario("small-echo")
    run = Run.create(tmp_path, kind="load", title="a test", target="small", seed=1, command="pytest")
    async with (
        Testbed.standing(target, run, Wanted(), notes.append) as bed,
        bed.workers(1) as workers,
        sampled(bed, every=0.2, counters_every=600),
    ):
        await bed.once(scenario)
        await eventually(lambda: seen_by(bed).points("worker-1", FREE), timeout=20)
        await workers[0].kill()
        await eventually(lambda: not ups(bed, "worker-1")[-1], timeout=20)
        await workers[0].start()
        await bed.once(scenario)
        await eventually(lambda: ups(bed, "worker-1")[-1], timeout=20)
    seen = seen_by(bed)
    run.close()
    for source in ("temporal", "worker-1", CLIENT, MACHINE):
        assert min(value for _, value in seen.points(source, MEMORY)) > 2**20
        assert max(value for _, value in seen.points(source, CPU)) > 0
    assert all(ups(bed, "temporal"))
    assert (seen.grown(WORKFLOW_TASKS) or 0) >= 2, "one workflow task each, at least"
    assert min(seen.values(FREE)) > 0
    assert [note for note in notes if note.startswith("the metrics of worker-1 could not be read")]
    assert not [note for note in notes if note.startswith("samples could not be taken")]
    advice = {each.title: each for each in advise(Recorded(run.directory).read(Sample))}
    assert advice["Free slots, workflow tasks"].verdict is TuningVerdict.OK
    assert "tasks: too few to tell" in advice["Sync match rate, workflow tasks"].detail
    assert advice["Schedule to start, workflow tasks, p99"].measured.endswith("ms")


async def test_without_a_metrics_endpoint_processes_are_sampled_and_advice_is_unknown(
    stack: Stack, tmp_path: Path
) -> None:
    """A server at an address that was given, and a worker in any language, may show nothing.

    What a process had in use at most is told of the time after the last look, too.
    """
    async with standing(small_target(), stack, tmp_path) as bed, bed.workers(1), sampled(bed, every=600):
        await bed.once(bed.target.scenario("small-echo"))
    seen = Recorded(bed.run.directory).read(Sample)
    (before,), (at_first, at_last) = (seen_by(bed).points("worker-1", name) for name in (MEMORY, MEMORY_PEAK))
    assert before[1] <= at_first[1] < at_last[1]
    assert {sample.source for sample in seen} == {"worker-1", CLIENT, MACHINE}
    assert UP not in {sample.name for sample in seen}
    assert {advice.verdict for advice in advise(seen)} == {TuningVerdict.UNKNOWN}
    assert all("no metrics endpoint" in advice.detail for advice in advise(seen))


async def test_what_goes_wrong_in_sampling_is_told_and_ends_nothing(stack: Stack, tmp_path: Path) -> None:
    """An endpoint that never answers, and samples that cannot be written."""
    notes: list[str] = []
    section = WorkerSection(command=["{python}", "-m", "small_process"], metrics="http://{worker.metrics}/metrics")
    target = small_target(worker=section)
    async with standing(target, stack, tmp_path, notify=notes.append) as bed, bed.workers(1):
        (bed.run.directory / FILES[Sample]).mkdir()
        async with sampled(bed):
            await bed.once(target.scenario("small-echo"))
    told = "\n".join(notes)
    assert re.search(r"the metrics of worker-1 could not be read (\d+) of \1 times", told)
    assert re.search(r"samples could not be taken \d+ times: IsADirectoryError", told)
