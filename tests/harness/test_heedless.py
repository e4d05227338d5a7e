"""What is told after a test of a workflow that swallows its cancellation, or loses a signal at continue-as-new."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from heedless_workflows import Counter, Working, undo, work
from hypothesis.stateful import rule
from temporalio.client import WorkflowFailureError, WorkflowHandle

from harness.eventually import eventually
from harness.modeltest import Models, TemporalMachine
from harness.temporal_test import Temporal, Untrustworthy

pytestmark = pytest.mark.usefixtures("temporal_dev_server")  # it is asynchronous here, and must be there first
UNCANCELLED = pytest.mark.temporal(uncancelled="it is looked at by the test itself")
UNHEARD = pytest.mark.temporal(unheard="it is looked at by the test itself")


async def cancelled(temporal: Temporal, plan: str) -> list[str]:
    """What is told of a workflow that is cancelled while it waits, by what it does then."""
    async with temporal.worker(workflows=[Working], activities=[work, undo]):
        working = await temporal.start(Working.run, plan)
        await eventually(lambda: _ends_with(working, "workflow_task_completed", after=4), timeout=30)
        await working.cancel()
        with suppress(WorkflowFailureError):
            await working.result()
    return await told(temporal)


async def told(temporal: Temporal) -> list[str]:
    """What every check tells, also one that the test's marker leaves out."""
    looking = Temporal(temporal.environment, temporal._watched)
    try:
        await looking.check()
    except Untrustworthy as found:
        return str(found).splitlines()
    return []


@UNCANCELLED
async def test_who_goes_on_has_swallowed_its_cancellation(temporal: Temporal) -> None:
    """It began more of the work that it was told to end, and completed."""
    (line,) = await cancelled(temporal, "goes on")
    assert "Working was told to cancel, and completed: it went on with work (1 more)" in line


@pytest.mark.parametrize("plan", ["cancelled", "ends", "undoes", "repeats"])
async def test_who_ends_is_well(temporal: Temporal, plan: str) -> None:
    """As cancelled, or completed: with nothing more, with something new, or with what it had begun."""
    assert await cancelled(temporal, plan) == []


class Heedless(TemporalMachine):
    """Cancels a workflow that goes on."""

    @rule()
    def cancelled(self) -> None:
        assert len(self.on_loop(cancelled(self.temporal, "goes on"))) == 1


@UNCANCELLED
def test_a_model_test_may_say_why_it_goes_on(temporal_model: Models) -> None:
    """Its examples are checked but for that."""
    with temporal_model.script(Heedless) as state:
        state.cancelled()


async def counted(temporal: Temporal, plan: str, *numbers: int, early: Sequence[int] = ()) -> list[str]:
    """What is told where these numbers come with the very task in which the run continues as new; some come before."""
    async with temporal.worker(workflows=[Counter]):
        counter = await temporal.start(Counter.run, plan, 0)
        first = temporal.client.get_workflow_handle(counter.id, run_id=counter.first_execution_run_id)
        await eventually(lambda: _ends_with(first, "activity_task_scheduled", after=3), timeout=30)
        for number in early:
            await counter.signal(Counter.add, number)
            await eventually(lambda: _ends_with(first, "workflow_task_completed", after=5), timeout=30)
    # The activity ends while nobody works for the workflow: its end and the signals are one task's.
    async with temporal.worker(activities=[work]):
        await eventually(lambda: _ends_with(first, "workflow_task_scheduled", after=5), timeout=30)
        for number in numbers:
            await counter.signal(Counter.add, number)
        async with temporal.worker(workflows=[Counter]):
            await counter.result()
    return await told(temporal)


async def _ends_with(handle: WorkflowHandle[Any, Any], event: str, *, after: int) -> bool:
    """Whether this is the last event of a history that is longer than that."""
    events = (await handle.fetch_history()).events
    return len(events) > after and events[-1].WhichOneof("attributes") == f"{event}_event_attributes"


@UNHEARD
async def test_a_signal_that_is_not_handed_over_is_lost(temporal: Temporal) -> None:
    """Each of them, though it has left its trace in the memo."""
    lines = await counted(temporal, "forgets", 1, 2)
    assert len(lines) == 2
    assert all("signal 'add', event" in line and "was lost at continue-as-new" in line for line in lines)


@pytest.mark.parametrize("numbers", [(), (1, 2), (0, 2), (1, -1)])
async def test_a_signal_that_is_handed_over_is_not(temporal: Temporal, numbers: tuple[int, ...]) -> None:
    """Nor is what came before one that made a difference."""
    assert await counted(temporal, "keeps", *numbers) == []


@UNHEARD
async def test_a_signal_that_makes_no_difference_is_told(temporal: Temporal) -> None:
    """Whether it had to make one, the marker says."""
    assert len(await counted(temporal, "keeps", 1, 0)) == 1


async def test_a_signal_that_came_before_is_not_looked_at(temporal: Temporal) -> None:
    """The run had time to do with it what it would."""
    assert await counted(temporal, "keeps", early=[0]) == []
