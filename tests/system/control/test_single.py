"""Acting on one workflow, on real servers: each action, what it does not apply to, and its record."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from chained_workflows import Broken, Chained, calls, repaired, tried
from controlled_loads import LETTERED_WITH_OUTCOME, PATIENCE, WHO, Load, start_paused, visible
from running_system import App, Write
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.worker import Worker

from harness.eventually import eventually
from system.connection import connect
from system.control.models import Action, Cancel, Outcome, Pause, Reset, Resume, Retry, Signal, Terminate
from system.control.pausable import PAUSED, Paused
from system.control.single import act_on
from system.dead_letters import listing
from system.dead_letters.activities import DeadLetterActivities
from system.dead_letters.models import DigestRequest, Filter, Letter
from system.dead_letters.redrive import Redrives
from system.dead_letters.workflow import Digest
from system.errors import ControlRefused
from system.pipeline.models import LoadReport
from system.pipeline.schema import Schema
from system.scheduling.models import WarmRequest
from system.scheduling.workflow import WarmCache
from system.settings import Settings
from system.storage.pool import Pool

GOOD = b"name,age\nann,1\nbob,2\n"


@pytest.fixture
async def load(app: App, write: Write, people: Schema) -> Load:
    """A load that is paused before its first step."""
    return await start_paused(app, write(GOOD), people, f"single-{secrets.token_hex(6)}")


@pytest.fixture
async def client(settings: Settings, database: Pool) -> AsyncIterator[Client]:
    """A client, with a worker for the workflows of `chained_workflows`."""
    client = await connect(settings)
    async with Worker(
        client,
        task_queue=settings.task_queue,
        workflows=[Chained, Broken],
        activities=[tried, *DeadLetterActivities(database, client, settings.task_queue).all],
    ):
        yield client


async def act(app: App, action: Action, workflow_id: str, **options: Any) -> Outcome:
    return await act_on(app.database, app.client, action, workflow_id, **{**WHO, **options})


async def test_a_paused_load_is_resumed_and_completes(app: App, load: Load) -> None:
    """Pausing it again changes nothing; who paused it is known from the workflow itself."""
    assert await act(app, Pause(), load.id) == Outcome(state="done")
    assert (await load.query("control.paused"))["by"] == "the test"
    assert await act(app, Resume(), load.id) == Outcome(state="done")
    assert (await load.result()).rows_loaded == 2
    assert await act(app, Pause(), load.id) == Outcome(state="skipped", message="already completed")
    assert await act(app, Retry(), load.id) == Outcome(state="skipped", message="already completed")


async def test_every_action_leaves_a_record(app: App, load: Load) -> None:
    """Who, why, what, on which run, with which outcome and when; also of what was skipped."""
    await act(app, Cancel(), load.id, by="bob", reason="not needed")
    with pytest.raises(WorkflowFailureError):
        await load.result()
    await act(app, Signal(name="hello", argument={"to": "you"}), load.id)
    rows = await app.database.fetch(
        """
        SELECT kind, action ->> 'kind' AS action, ordered_by, reason, operations.state AS closed, workflow_id, run_id,
               outcomes.state, outcomes.message, ended_at >= attempted_at AS timed
        FROM control_operations AS operations JOIN control_outcomes AS outcomes ON operation_id = operations.id
        ORDER BY operations.id
        """
    )
    run_id = load.first_execution_run_id
    assert [tuple(row) for row in rows] == [
        ("single", "cancel", "bob", "not needed", "done", load.id, run_id, "done", "", True),
        ("single", "signal", "ann", "a test", "done", load.id, run_id, "skipped", "already cancelled", True),
    ]


async def test_a_workflow_that_is_not_there_is_refused(app: App) -> None:
    """It may be a mistyped id: said, and nothing recorded."""
    with pytest.raises(ControlRefused, match="there is no workflow nobody"):
        await act(app, Pause(), "nobody")
    assert await app.database.fetchval("SELECT count(*) FROM control_operations") == 0


async def test_history_tells_who_terminated_it_and_why(app: App, load: Load) -> None:
    """The server is told the reason and the name."""
    assert (await act(app, Terminate(), load.id)).state == "done"
    *_, last = [event async for event in load.fetch_history_events()]
    terminated = last.workflow_execution_terminated_event_attributes
    assert terminated.reason == "a test"
    assert terminated.identity.startswith("ann (single-")


async def letters_of(app: App, handle: WorkflowHandle[Any, Any]) -> list[Letter]:
    async with app.database.acquire() as connection:
        return await listing.find(connection, Filter(workflow_id=handle.id))


async def test_what_is_terminated_has_its_letter_at_once(app: App, load: Load) -> None:
    """Written with the outcome, it says what the digest would; that one adds nothing, and the letter is redriven."""
    assert (await act(app, Terminate(), load.id)).state == "done"
    [letter] = await letters_of(app, load)
    assert (letter.run_id, letter.error_type, letter.state) == (load.first_execution_run_id, "Terminated", "open")
    assert (letter.message, letter.details["by"].startswith("ann (single-")) == ("terminated: a test", True)
    assert await app.database.fetchval(f"SELECT count(*) FROM ({LETTERED_WITH_OUTCOME}) AS one") == 1
    await visible(app, f"WorkflowId = '{load.id}' AND ExecutionStatus = 'Terminated'", 1)
    digest = await app.client.execute_workflow(
        Digest.run, DigestRequest(), id=f"digest-{load.id}", task_queue=app.settings.task_queue
    )
    assert (digest.swept.closed, digest.swept.kept) == (1, 0)
    redriven = await Redrives(app.database, app.client).redrive(letter.id, "ann", "it is wanted after all")
    assert redriven.outcome == "redriven"
    again: WorkflowHandle[Any, LoadReport] = app.client.get_workflow_handle(load.id, result_type=LoadReport)
    assert (await again.result()).rows_loaded == 2
    assert [one.state for one in await letters_of(app, load)] == ["resolved"]


async def test_a_termination_that_nobody_heard_of_has_its_letter_once_it_is_ordered_again(app: App, load: Load) -> None:
    """It is found done already, whoever did it; what completed instead has none."""
    await load.terminate(reason="as an attempt did whose worker died")
    assert (await act(app, Terminate(), load.id)).message == "already terminated"
    assert [one.message for one in await letters_of(app, load)] == ["terminated: as an attempt did whose worker died"]
    assert (await act(app, Cancel(), load.id)).state == "skipped"
    done = await app.client.start_workflow(
        WarmCache.run, WarmRequest(), id=f"done-{load.id}", task_queue=app.settings.task_queue
    )
    await done.result()
    assert (await act(app, Terminate(), done.id)).message == "already completed"
    assert await letters_of(app, done) == []


async def test_a_load_whose_file_has_appeared_is_retried(app: App, people: Schema, tmp_path: Path) -> None:
    """It failed for want of its file: reset to just before that, it loads each row once, and is reconciled."""
    source = tmp_path / "late.csv"
    load = await app.start(source, people)
    with pytest.raises(WorkflowFailureError):
        await load.result()
    source.write_bytes(GOOD)
    outcome = await act(app, Retry(), load.id)
    assert outcome.state == "done"
    assert outcome.new_run_id not in {"", load.first_execution_run_id}
    again = app.client.get_workflow_handle(load.id)
    assert (await again.result())["rows_loaded"] == 2
    assert await app.database.fetchval("SELECT count(*) FROM datasets.people") == 2
    assert await app.database.fetchval("SELECT state FROM loads WHERE workflow_id = $1", load.id) == "reconciled"
    assert (await act(app, Retry(), load.id, run_id=load.first_execution_run_id)).message == (
        "a newer run has the same workflow id"
    )


async def test_a_load_that_failed_at_a_chunk_is_retried_from_there(
    app: App, people: Schema, write: Write, connection: asyncpg.Connection
) -> None:
    """The table refused its rows, and no longer does: what was prepared is not prepared again."""
    source = write(GOOD)
    load = await start_paused(app, source, people, f"single-{secrets.token_hex(6)}")
    await connection.execute("CREATE TABLE datasets.people (name text NOT NULL, age bigint, _chunk bigint)")
    await connection.execute("ALTER TABLE datasets.people ADD CHECK (age < 2)")
    await load.signal("control.resume", {"by": "x", "reason": "y"})
    with pytest.raises(WorkflowFailureError):
        await load.result()
    await connection.execute("ALTER TABLE datasets.people DROP CONSTRAINT people_age_check")
    outcome = await act(app, Retry(), load.id)
    again = app.client.get_workflow_handle(load.id, run_id=outcome.new_run_id)
    assert (await again.result())["rows_loaded"] == 2
    scheduled = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        async for event in again.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert [name for name in scheduled if name.startswith("pipeline.")] == [
        "pipeline.prepare",  # copied from the run that failed
        "pipeline.load_chunk",
        "pipeline.reconcile",
    ]
    assert await connection.fetchval("SELECT count(*) FROM datasets.people") == 2
    ledger = await connection.fetch(
        "SELECT step, kind FROM effects WHERE workflow_id = $1 AND step IN ('close', 'load_chunk') ORDER BY id", load.id
    )
    assert [tuple(one) for one in ledger] == [
        ("close", "forward"),
        ("close", "compensation"),
        ("load_chunk", "forward"),
    ]


async def broken(client: Client, settings: Settings) -> WorkflowHandle[Any, str]:
    handle = await client.start_workflow(
        Broken.run, id=f"broken-{secrets.token_hex(6)}", task_queue=settings.task_queue
    )
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    repaired.add(handle.id)
    return handle


@pytest.mark.parametrize(
    ("action", "again"),
    [
        (Retry(), ["bad"]),
        (Reset(to="last_task"), []),
        (Reset(to="first_failure"), ["caught", "good", "bad"]),
        (Reset(to="first_task"), ["caught", "good", "bad"]),
        (Reset(to=12), ["good", "bad"]),
    ],
    ids=["retry", "last", "failure", "first", "event"],
)
async def test_what_is_done_again_depends_on_the_point(
    client: Client, settings: Settings, database: Pool, action: Action, again: list[str]
) -> None:
    """Retried, a workflow is taken up before the activity it failed by, and not before one whose failure it caught."""
    handle = await broken(client, settings)
    before = len(calls)
    outcome = await act_on(database, client, action, handle.id, **WHO)
    assert outcome.state == "done", outcome
    run = client.get_workflow_handle(handle.id, run_id=outcome.new_run_id)
    if again:
        assert await run.result() == "repaired"
    else:  # reset to the task that decided to fail, it fails again
        with pytest.raises(WorkflowFailureError):
            await run.result()
    assert calls[before:] == [f"{handle.id} {step}" for step in again]


async def test_what_never_began_is_started_again(settings: Settings, database: Pool) -> None:
    """No worker took it up before it timed out: there is nothing to reset to, so it is started as it was."""
    client = await connect(settings)
    handle = await client.start_workflow(
        "pipeline.Pipeline",
        "its input",
        id=f"never-{secrets.token_hex(6)}",
        task_queue=settings.task_queue,
        run_timeout=timedelta(seconds=1),
        memo={"owner": "ann"},
    )
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    outcome = await act_on(database, client, Retry(), handle.id, **WHO)
    assert (outcome.state, outcome.message) == ("done", "started again: it had not begun")
    again = client.get_workflow_handle(handle.id, run_id=outcome.new_run_id)
    described = await again.describe()
    assert described.workflow_type == "pipeline.Pipeline"
    assert (await described.memo())["owner"] == "ann"
    [first, *_] = [event async for event in again.fetch_history_events()]
    assert first.workflow_execution_started_event_attributes.input.payloads[0].data == b'"its input"'


async def test_a_run_that_continued_as_new_is_followed(client: Client, settings: Settings, database: Pool) -> None:
    """Who meant the one run means the next: it is signalled, and not called gone."""
    handle = await client.start_workflow(
        Chained.run, id=f"chained-{secrets.token_hex(6)}", task_queue=settings.task_queue
    )
    await handle.signal("next")

    async def continued() -> bool:
        return (await client.get_workflow_handle(handle.id).describe()).run_id != handle.first_execution_run_id

    await eventually(continued, timeout=PATIENCE)
    outcome = await act_on(
        database, client, Signal(name="end"), handle.id, **WHO, run_id=handle.first_execution_run_id or ""
    )
    assert outcome == Outcome(state="done")
    await client.get_workflow_handle(handle.id).result()


@pytest.mark.parametrize("action", [Reset(to="first_task"), Retry()], ids=["reset", "retry"])
async def test_what_was_paused_when_it_was_reset_is_still_paused(
    client: Client, settings: Settings, database: Pool, action: Action
) -> None:
    """The pause came after the point, and is applied to the new run again; a resume ends it."""
    handle = await client.start_workflow(
        Chained.run, id=f"chained-{secrets.token_hex(6)}", task_queue=settings.task_queue
    )
    assert not (await handle.query(PAUSED, result_type=Paused)).paused
    for order in (Pause(), Terminate()):
        await act_on(database, client, order, handle.id, **WHO)
    outcome = await act_on(database, client, action, handle.id, **WHO)
    run = client.get_workflow_handle(handle.id, run_id=outcome.new_run_id)

    async def paused() -> bool:
        told: Paused = await run.query(PAUSED, result_type=Paused)
        return told.paused and told.by == "ann"

    await eventually(paused, timeout=PATIENCE)
    await act_on(database, client, Resume(), handle.id, **WHO)
    assert not (await run.query(PAUSED, result_type=Paused)).paused
    await run.signal("end")
    await run.result()


async def test_the_letter_is_of_the_run_that_was_terminated(client: Client, settings: Settings, database: Pool) -> None:
    """Not of the one that was named, and had continued as new."""
    handle = await client.start_workflow(
        Chained.run, id=f"chained-{secrets.token_hex(6)}", task_queue=settings.task_queue
    )
    await handle.signal("next")

    async def newest() -> str:
        run_id = (await client.get_workflow_handle(handle.id).describe()).run_id
        return run_id if run_id != handle.first_execution_run_id else ""

    run_id = await eventually(newest, timeout=PATIENCE)
    await act_on(database, client, Terminate(), handle.id, **WHO, run_id=handle.first_execution_run_id or "")
    assert [row["run_id"] for row in await database.fetch("SELECT run_id FROM dead_letters")] == [run_id]
