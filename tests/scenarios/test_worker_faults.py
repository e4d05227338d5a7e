"""The system's worker under fault points: what a load has in the stores is the same as without."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
from running_system import ROOT, App, Write
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from harness.errors import ServiceFailed
from harness.eventually import eventually
from harness.faultpoints import FaultPoints
from harness.workers import Worker, Workers, WorkerSpec
from system.connection import connect
from system.pipeline.models import LOAD_CHUNK, RECONCILE
from system.pipeline.schema import Schema
from system.settings import Settings
from system.storage.effects import ledger
from system.storage.pool import Pool

PEOPLE = b"name,age\n" + b"".join(b"n%03d,1\n" % number for number in range(120))
CHUNKS = [str(number) for number in range(4)]
CHUNK_BYTES = -(-len(PEOPLE) // 4)
DRAIN_SECONDS = 20

Make = Callable[[Mapping[str, str]], Worker]


@pytest.fixture
def faults(tmp_path: Path) -> FaultPoints:
    """A directory of this test's own."""
    return FaultPoints(tmp_path / "faults")


@pytest.fixture
def make(settings: Settings, tmp_path: Path) -> Make:
    """Makes a `scenarios.worker` process with more in its environment; not yet started."""
    environment = {
        "DATABASE_URL": settings.database_url,
        "TEMPORAL_ADDRESS": settings.temporal_address,
        "TASK_QUEUE": settings.task_queue,
        "WORK_DIRECTORY": str(settings.work_directory),
        "HEALTH_ADDRESS": "{worker.health}",
        "DRAIN_SECONDS": str(DRAIN_SECONDS),
    }

    def worker(more: Mapping[str, str]) -> Worker:
        spec = WorkerSpec(
            command=["{python}", "-m", "scenarios.worker"],
            environment={**environment, **more},
            ready_url="http://{worker.health}/ready",
            directory=ROOT,
        )
        return Worker("worker-1", spec, {}, log_path=tmp_path / "worker.log")

    return worker


@pytest.fixture
async def workers(make: Make, faults: FaultPoints) -> AsyncIterator[Workers]:
    """One that was told of the fault points, ready."""
    async with Workers([make(faults.environment)]) as group:
        yield group


@pytest.fixture
async def app(settings: Settings, database: Pool) -> App:
    """The system as a client has it; its worker is the process."""
    return App(await connect(settings), settings, database)


async def effects(database: Pool, step: str) -> list[tuple[str, int]]:
    """Item and attempt of each effect of this step, in order of the items."""
    async with database.acquire() as connection:
        recorded = await ledger(connection, "load-")
    return sorted((effect.item, effect.attempt) for effect in recorded if effect.step == step)


async def names(database: Pool) -> list[str]:
    """Every name that was loaded."""
    return sorted(row["name"] for row in await database.fetch("SELECT name FROM datasets.people"))


async def test_killed_after_the_commit_of_a_chunk_nothing_is_lost_or_doubled(
    app: App, workers: Workers, faults: FaultPoints, write: Write, people: Schema
) -> None:
    """The chunk's rows and its one effect are those of the attempt that died; the next attempt adds nothing."""
    faults.at(LOAD_CHUNK, prefix="load-", call=2).kill_after()
    async with workers.kept_alive() as restarts:
        report = await app.load(write(PEOPLE), people, chunk_bytes=CHUNK_BYTES, concurrency=1)
    (bite,) = faults.bitten()
    assert (bite.activity, bite.attempt, bite.point, bite.act) == (LOAD_CHUNK, 1, "after", "kill")
    assert restarts == {"worker-1": 1}
    assert await attempts(app, bite.workflow_id, bite.activity_id) == 2
    assert (report.rows_read, report.rows_loaded, report.chunks) == (120, 120, 4)
    assert await names(app.database) == [f"n{number:03}" for number in range(120)]
    assert await effects(app.database, "load_chunk") == [(chunk, 1) for chunk in CHUNKS]


@pytest.mark.usefixtures("workers")
async def test_a_step_that_fails_for_good_closes_the_load(
    app: App, faults: FaultPoints, write: Write, people: Schema
) -> None:
    """The failure reaches the workflow by its own name and untranslated, and the load is closed as failed."""
    faults.at(RECONCILE, prefix="load-").before(retryable=False)
    with pytest.raises(WorkflowFailureError) as caught:
        await app.load(write(PEOPLE), people)
    assert isinstance(caught.value.cause, ActivityError)
    cause = caught.value.cause.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("FaultPoint", True)
    assert [(bite.activity, bite.act) for bite in faults.bitten()] == [(RECONCILE, "refuse")]
    assert await effects(app.database, "reconcile") == []
    assert await effects(app.database, "close") == [("failed", 1)]


@pytest.mark.thorough
async def test_a_draining_worker_does_not_wait_for_a_lost_completion(
    app: App, workers: Workers, faults: FaultPoints, write: Write, people: Schema
) -> None:
    """The attempt has its effect and is pending still, yet the worker ends; the next attempt adds no effect."""
    faults.at(RECONCILE, prefix="load-").lose()
    load = await app.start(write(PEOPLE), people)
    await eventually(faults.bitten, timeout=20)
    began = time.monotonic()
    assert await workers[0].drain()
    assert time.monotonic() - began < DRAIN_SECONDS / 2
    (pending,) = (await load.describe()).raw_description.pending_activities
    assert (pending.activity_type.name, pending.attempt) == (RECONCILE, 1)
    await workers[0].start()
    assert (await load.result()).rows_loaded == 120
    assert await effects(app.database, "reconcile") == [("", 1)]


async def test_without_fault_points_it_is_the_system_s_own_worker(
    app: App, make: Make, faults: FaultPoints, write: Write, people: Schema
) -> None:
    """What is armed does not reach a worker that was not told where."""
    faults.at(LOAD_CHUNK, prefix="load-").kill_before()
    async with Workers([make({})]):
        assert (await app.load(write(PEOPLE), people)).rows_loaded == 120
    assert faults.bitten() == []


@pytest.mark.parametrize("told", [False, True])
async def test_wrong_settings_are_told_as_the_system_tells_them(make: Make, faults: FaultPoints, told: bool) -> None:
    """One line, and exit code 2, with fault points or without."""
    worker = make({"DRAIN_SECONDS": "soon", **(faults.environment if told else {})})
    with pytest.raises(ServiceFailed, match="exit code 2") as caught:
        await worker.start()
    expected = "error: DRAIN_SECONDS is 'soon': expected a number of seconds, from zero to a day"
    assert caught.value.last_lines == [expected]


async def test_a_directory_that_is_not_there_is_told(make: Make, tmp_path: Path) -> None:
    """A worker that no fault can reach does not start as if one could."""
    with pytest.raises(ServiceFailed, match=r"exit code 2(.|\n)*nowhere: there is no such directory"):
        await make({"FAULT_POINTS": str(tmp_path / "nowhere")}).start()


async def attempts(app: App, workflow_id: str, activity_id: str) -> int:
    """By which attempt the activity ended, says its workflow's history."""
    history = await app.client.get_workflow_handle(workflow_id).fetch_history()
    scheduled = {event.event_id: event.activity_task_scheduled_event_attributes.activity_id for event in history.events}
    (attempt,) = [
        started.attempt
        for event in history.events
        if (started := event.activity_task_started_event_attributes).scheduled_event_id
        and scheduled[started.scheduled_event_id] == activity_id
    ]
    return attempt
