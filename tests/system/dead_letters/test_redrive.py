"""Redriving on real servers: once, with the same input, and with its lineage kept."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from dead_letter_bed import Bed, bed, reset
from failing_workflows import Done, Failing, Work, repaired
from temporalio.client import WorkflowFailureError, WorkflowHandle

from harness.eventually import eventually
from system.dead_letters import inspection, listing, store
from system.dead_letters.models import (
    REDRIVEN_FROM,
    Failure,
    Filter,
    Letter,
    Origin,
    Redriven,
    RedriveProgress,
    RedriveRequest,
)
from system.dead_letters.redrive import Inputs, Nothing, Restart
from system.dead_letters.workflow import Redrive
from system.settings import Settings
from system.storage.pool import Pool


@pytest.fixture
async def standing(settings: Settings, database: Pool) -> AsyncIterator[Bed]:
    async with bed(settings, database) as one:
        yield one
    repaired.clear()


async def redrive(standing: Bed, letter: Letter) -> Redriven:
    return await standing.redrives.redrive(letter.id, "an operator", "it is repaired")


async def result(standing: Bed, redriven: Redriven) -> Done:
    handle: WorkflowHandle[Failing, Done] = standing.client.get_workflow_handle(
        redriven.workflow_id, run_id=redriven.run_id, result_type=Done
    )
    return await handle.result()


async def test_a_redrive_does_the_work_and_resolves_its_letter(standing: Bed) -> None:
    """The same type, with the same input, under the same id; repeated, it starts nothing."""
    handle = await standing.fail("activity", memo={"owner": "ann"})
    letter = await standing.letter()
    repaired.add(handle.id)
    redriven = await redrive(standing, letter)
    assert (redriven.outcome, redriven.workflow_id) == ("redriven", handle.id)
    assert await result(standing, redriven) == Done(how="activity")
    resolved = await standing.letter()
    assert (resolved.state, resolved.redrive_workflow_id) == ("resolved", redriven.workflow_id)
    again = await redrive(standing, letter)
    assert (again.outcome, again.workflow_id, again.run_id) == ("repeated", redriven.workflow_id, redriven.run_id)
    described = await standing.client.get_workflow_handle(redriven.workflow_id).describe()
    assert (await described.memo())["owner"] == "ann"
    assert described.run_id == redriven.run_id


async def test_a_redrive_that_fails_again_is_a_letter_of_its_own(standing: Bed) -> None:
    """Its lineage goes back to the first failure, and once the last one works all are resolved."""
    handle = await standing.fail("activity")
    first = await standing.letter()
    second_try = await redrive(standing, first)
    with pytest.raises(WorkflowFailureError):
        await result(standing, second_try)
    _, second = await standing.letters()
    assert (second.workflow_id, second.redriven_from, second.depth) == (handle.id, first.id, 1)
    assert second.fingerprint == first.fingerprint
    repaired.add(handle.id)
    third_try = await redrive(standing, second)
    assert third_try.workflow_id == handle.id
    await result(standing, third_try)
    assert [one.state for one in await standing.letters()] == ["resolved", "resolved"]
    seen = await inspection.inspect(standing.database, standing.client, second.id)
    assert (seen.lineage, seen.children) == ((first.id,), ())
    assert [event.action for event in seen.events] == ["redriven", "resolved"]


async def test_redriven_from_many_sides_at_once_it_runs_once(standing: Bed) -> None:
    """Ten operators press the button: one workflow."""
    handle = await standing.fail("itself")
    letter = await standing.letter()
    outcomes = await asyncio.gather(*(redrive(standing, letter) for _ in range(10)))
    assert {(one.workflow_id, one.run_id) for one in outcomes} == {(handle.id, outcomes[0].run_id)}


async def test_a_redrive_cut_off_before_its_start_is_taken_up_again(standing: Bed) -> None:
    """The letter was claimed, and the worker died: the next attempt starts the very workflow it was claimed for."""
    handle = await standing.fail("itself")
    letter = await standing.letter()
    async with standing.database.acquire() as connection:
        claimed = await store.claim_redrive(connection, letter.id, "an operator", "", whole=True)
    assert claimed is not None
    taken_up = await redrive(standing, letter)
    assert (taken_up.outcome, taken_up.workflow_id) == ("redriven", claimed.redrive_workflow_id)
    assert taken_up.workflow_id == handle.id


async def test_a_redrive_cut_off_after_its_start_is_found_again(standing: Bed) -> None:
    """The run was started, and the worker died before it noted that: no other run is started, closed as that one is."""
    await standing.fail("itself")
    letter = await standing.letter()
    started = await redrive(standing, letter)
    with pytest.raises(WorkflowFailureError):
        await result(standing, started)
    await standing.database.execute("UPDATE dead_letters SET redrive_run_id = NULL WHERE id = $1", letter.id)
    taken_up = await redrive(standing, letter)
    assert (taken_up.outcome, taken_up.run_id) == ("redriven", started.run_id)


async def test_a_redrive_whose_workflow_somebody_else_ran_is_refused_and_open_again(standing: Bed) -> None:
    """It was claimed and cut off; then somebody started the workflow by hand."""
    handle = await standing.fail("itself")
    letter = await standing.letter()
    async with standing.database.acquire() as connection:
        await store.claim_redrive(connection, letter.id, "an operator", "", whole=True)
    await standing.fail("itself", id=handle.id)
    assert "run again under its own id" in (await redrive(standing, letter)).reason
    assert [one.state for one in await standing.letters()] == ["open", "open"]


async def test_letters_of_one_run_are_redriven_together(standing: Bed) -> None:
    """Two steps failed in one workflow: it is run again once, for both."""
    handle = await standing.start("many")
    await handle.result()
    letters = await standing.letters()
    async with standing.database.acquire() as connection:
        await store.claim_redrive(connection, letters[0].id, "x", "", whole=True)
    assert {one.redrive_workflow_id for one in await standing.letters()} == {handle.id}


async def test_a_workflow_that_went_on_is_not_run_again(standing: Bed) -> None:
    """It completed without the step: refused, with what to do instead, and noted."""
    await (await standing.start("caught")).result()
    letter = await standing.letter()
    for _ in range(2):
        refused = await redrive(standing, letter)
        assert refused.outcome == "refused"
        assert "start what is missing by itself" in refused.reason
    seen = await inspection.inspect(standing.database, standing.client, letter.id)
    assert [(event.action, event.by) for event in seen.events] == [("refused", "an operator")]
    assert seen.letter.state == "open"


async def test_a_workflow_that_still_runs_is_not_run_again(standing: Bed) -> None:
    """Its letter is open, and so is it."""
    handle = await standing.start("caught_then_waits")
    letter = await _first_letter(standing)
    refused = await redrive(standing, letter)
    assert (refused.outcome, "still running" in refused.reason) == ("refused", True)
    await handle.signal(Failing.go_on)
    await handle.result()


async def _first_letter(standing: Bed) -> Letter:
    return (await eventually(standing.letters, timeout=20))[0]


async def test_a_redriver_runs_the_failed_item_alone(settings: Settings, database: Pool) -> None:
    """The workflow went on and completed; its domain says how to run just that item."""

    async def one_item(_: Letter, inputs: Inputs) -> Restart:
        given = await inputs.of_activity(Work)
        assert given is not None
        whole = await inputs.of_workflow(Work)
        assert whole is not None
        assert whole.how == "many"
        return Restart("failing.Failing", Work(how="activity", item=given.item))

    async with bed(settings, database, redrivers={"failing.refuse": one_item}) as standing:
        await (await standing.start("many", item="i")).result()
        letter = (await standing.letters())[1]
        repaired.add(letter.item)
        redriven = await redrive(standing, letter)
        await result(standing, redriven)
        history = await standing.client.get_workflow_handle(redriven.workflow_id).fetch_history()
        assert (
            letter.item.encode() in history.events[0].workflow_execution_started_event_attributes.input.payloads[0].data
        )
        states = [one.state for one in await standing.letters()]
        assert states == ["open", "resolved", "open"]
    repaired.clear()


async def test_a_letter_of_what_is_done_all_the_same_is_resolved_if_it_is_open(
    settings: Settings, database: Pool
) -> None:
    """One that is closed stays as it is, and says so; one whose redrive was cut off is open first."""

    async def nothing(_: Letter, __: Inputs) -> Nothing:
        return Nothing(reason="it is done all the same", settled=True)

    async with bed(settings, database, redrivers={"failing.refuse": nothing}) as standing:
        await (await standing.start("many")).result()
        first, second, third = await standing.letters()
        async with database.acquire() as connection:
            await store.discard(connection, [second.id], "ann", "not needed")
            await store.claim_redrive(connection, third.id, "ann", "", whole=False)
        told = [
            Redriven(letter=first.id, outcome="resolved", reason="it is done all the same"),
            Redriven(letter=first.id, outcome="refused", reason="it is resolved already"),
            Redriven(letter=second.id, outcome="refused", reason="it is discarded already"),
            Redriven(letter=third.id, outcome="refused", reason="a redrive of it was cut off: redrive it once more"),
            Redriven(letter=third.id, outcome="resolved", reason="it is done all the same"),
        ]
        assert [await redrive(standing, letter) for letter in (first, first, second, third, third)] == told
        states = [one.state for one in await standing.letters()]
        assert states == ["resolved", "discarded", "resolved"]


async def test_a_parent_takes_the_letter_of_its_child_along(standing: Bed) -> None:
    """The parent runs its child again: redriven by itself as well, the child would do its work twice."""
    handle = await standing.fail("child")
    childs, parents = await standing.letters()
    refused = await redrive(standing, childs)
    assert (refused.outcome, f"redrive letter {parents.id} instead" in refused.reason) == ("refused", True)
    redriven = await redrive(standing, parents)
    assert redriven.workflow_id == handle.id
    taken = (await standing.letters())[:2]
    assert [(one.state, one.redrive_workflow_id) for one in taken] == [("redriven", redriven.workflow_id)] * 2


async def test_a_redrive_that_is_cancelled_discards_its_letter(standing: Bed) -> None:
    """Whoever cancels it wants it no more."""
    handle = await standing.start("waits")
    await handle.terminate(reason="broken")
    async with standing.database.acquire() as connection:
        await store.keep(connection, _terminated(handle.id, str(handle.first_execution_run_id)), 1)
    redriven = await redrive(standing, await standing.letter())
    again = standing.client.get_workflow_handle(redriven.workflow_id)
    await again.cancel()
    with pytest.raises(WorkflowFailureError):
        await again.result()
    assert (await standing.letter()).state == "discarded"


def _terminated(workflow_id: str, run_id: str) -> Failure:
    return Failure(
        workflow_id=workflow_id,
        run_id=run_id,
        workflow_type="failing.Failing",
        error_type="Terminated",
        message="terminated",
        ended_workflow=True,
        failed_at=datetime.now(UTC),
    )


async def test_a_bulk_redrive_takes_the_open_letters_of_its_filter(standing: Bed, settings: Settings) -> None:
    """Five of one fault, of which one is discarded and one cannot be: the rest run again; what is new is left alone."""
    for _ in range(4):
        await standing.fail("itself")
    await (await standing.start("caught")).result()
    letters = await standing.letters()
    async with standing.database.acquire() as connection:
        assert await store.discard(connection, [letters[0].id], "ann", "not needed") == {letters[0].id}
        assert await store.discard(connection, [letters[0].id], "ann", "not needed") == set()
    request = RedriveRequest(by="an operator", reason="repaired", filter=Filter(), per_second=2)
    told = await standing.client.execute_workflow(
        Redrive.run, request, id=f"redrive-{settings.task_queue}", task_queue=settings.task_queue
    )
    assert (told.redriven, told.repeated, told.refused) == (3, 0, 1)
    assert [one.letter for one in told.refusals] == [letters[4].id]
    states = [one.state for one in await standing.letters()][:5]
    assert states == ["discarded", "redriven", "redriven", "redriven", "open"]


async def test_letters_by_id_are_redriven_in_their_order(standing: Bed, settings: Settings) -> None:
    """One that does not exist is refused, and stops nothing."""
    await standing.fail("itself")
    letter = await standing.letter()
    request = RedriveRequest(by="an operator", reason="repaired", letters=(letter.id + 1000, letter.id))
    told = await standing.client.execute_workflow(
        Redrive.run, request, id=f"redrive-{settings.task_queue}", task_queue=settings.task_queue
    )
    assert told.model_copy(update={"refusals": ()}) == RedriveProgress(after=letter.id + 1000, redriven=1, refused=1)
    assert told.refusals[0].reason == "there is no such letter"


async def test_inspect_shows_what_the_activity_was_given(standing: Bed) -> None:
    """The input comes from the history, not from the database."""
    await standing.fail("activity", item="seven")
    letter = await standing.letter()
    seen = await inspection.inspect(standing.database, standing.client, letter.id)
    assert seen.input == ({"how": "activity", "item": "seven"},)
    async with standing.database.acquire() as connection:
        assert await listing.read(connection, letter.id) == seen.letter


async def test_a_redriven_workflow_settles_its_letter_also_after_it_continued_as_new(standing: Bed) -> None:
    """The memo goes from run to run."""
    await standing.fail("itself")
    letter = await standing.letter()
    async with standing.database.acquire() as connection:
        claimed = await store.claim_redrive(connection, letter.id, "an operator", "", whole=True)
    assert claimed is not None
    repaired.add("x")
    memo = {REDRIVEN_FROM: Origin(letter=letter.id)}
    handle = await standing.start("goes_on", item="x", id=claimed.redrive_workflow_id, memo=memo)
    await handle.result()
    assert (await standing.letter()).state == "resolved"


async def test_a_reset_that_does_the_work_resolves_the_letters_of_the_failed_run(standing: Bed) -> None:
    """It stands for the run that failed."""
    handle = await standing.fail("activity")
    letter = await standing.letter()
    repaired.add(handle.id)
    run_id = await reset(standing.client, handle)
    await standing.client.get_workflow_handle(handle.id, run_id=run_id).result()
    seen = await inspection.inspect(standing.database, standing.client, letter.id)
    assert (seen.letter.state, [event.action for event in seen.events]) == ("resolved", ["resolved"])
    assert seen.events[0].reason == f"it was reset, and its new run {run_id} was completed"


async def test_a_run_that_was_reset_is_not_redriven(standing: Bed) -> None:
    """Its new run failed as well: that one's letter is the one to redrive."""
    handle = await standing.fail("activity")
    run_id = await reset(standing.client, handle)
    with pytest.raises(WorkflowFailureError):
        await standing.client.get_workflow_handle(handle.id, run_id=run_id).result()
    old, new = await standing.letters()
    assert "run again under its own id" in (await redrive(standing, old)).reason
    assert (await redrive(standing, new)).outcome == "redriven"
