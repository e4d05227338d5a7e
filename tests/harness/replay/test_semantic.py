"""Code that changed what it says is found on replay, where Temporal's own replay finds nothing."""

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowHistory
from temporalio.worker import Replayer, Worker
from told_stories import Child, Story, change, charge

from harness.environments import fresh_v1
from harness.eventually import eventually
from harness.replay.semantic import Replayed, SemanticReplayer
from harness.replay.told import told
from harness.skipping import TIME_STANDS
from harness.watching import histories

WORKFLOWS = [Story, Child]
ENDINGS = ("complete", "fail", "continue", "continue bare")


@pytest.fixture(scope="module")
async def recorded() -> dict[str, WorkflowHistory]:
    """A history of each ending, and of a child."""
    TIME_STANDS.set(True)  # the update waits for no timer
    found: dict[str, WorkflowHistory] = {}
    async with (
        fresh_v1([]) as environment,
        Worker(environment.client, task_queue="told", workflows=WORKFLOWS, activities=[charge]),
    ):
        for ending in ENDINGS:
            handle = await environment.client.start_workflow(
                Story.run, ending, id=f"story-{ending}", task_queue="told", memo={"from": "the start"}
            )
            await handle.execute_update(Story.ask)
            first = environment.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
            # Not awaited by its result: skipping for that goes to the end of the workflow's time as it cancels a child.
            await eventually(partial(has, first, "timer_started"), timeout=30)
            assert environment.server is not None
            await environment.server.sleep(timedelta(seconds=10))
            await eventually(partial(is_closed, first), timeout=30)
            found[ending] = await first.fetch_history()
        found |= {
            history.workflow_id: history for history in await histories(environment.client, ["story-complete-child"])
        }
    return found


async def has(handle: WorkflowHandle[Any, Any], kind: str) -> bool:
    """Whether there is an event of that kind."""
    return any(event.HasField(f"{kind}_event_attributes") for event in (await handle.fetch_history()).events)  # type: ignore[arg-type]  # the name of a field


async def is_closed(handle: WorkflowHandle[Any, Any]) -> bool:
    return (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING


@pytest.fixture(autouse=True)
def unchanged() -> Iterator[None]:
    """Code as it was."""
    yield
    change()


async def replayed(history: WorkflowHistory) -> Replayed:
    """Replay it semantically, having seen that Temporal's own replay is content."""
    await Replayer(workflows=WORKFLOWS).replay_workflow(history)
    return await SemanticReplayer(workflows=WORKFLOWS).replay(history)


@pytest.mark.parametrize("name", [*ENDINGS, "story-complete-child"])
async def test_code_that_says_the_same_replays(recorded: dict[str, WorkflowHistory], name: str) -> None:
    """With every kind of command, and what the server fills in."""
    found = await replayed(recorded[name])
    assert found.failure is None
    assert list(told(found)) == []
    assert found.compared >= (1 if name.endswith("-child") else 9)
    assert found.same


async def test_what_was_compared_is_kept_no_longer(recorded: dict[str, WorkflowHistory]) -> None:
    """However many histories one replayer replays; and the same one again."""
    replayer = SemanticReplayer(workflows=WORKFLOWS)
    first, again = [await replayer.replay(recorded["complete"]) for _ in range(2)]
    assert first == again
    assert [runner.take(first.run_id) for runner in (replayer._runner, replayer._unsandboxed)] == [None, None]


@pytest.mark.parametrize(
    ("knob", "value", "ending", "path"),
    [
        ("amount", 13, "complete", "arguments[0].amount"),
        ("start_to_close", 31, "complete", "start_to_close"),
        ("heartbeat", 4, "complete", "heartbeat"),
        ("heartbeat", 0, "complete", "heartbeat"),
        ("attempts", 5, "complete", "retry_policy.maximum_attempts"),
        ("non_retryable", (), "complete", "retry_policy.non_retryable_error_types[0]"),
        ("fairness_key", "large", "complete", "priority.fairness_key"),
        ("timer", 8, "complete", "duration"),
        ("child", "two", "complete", "arguments[0]"),
        ("child_run_timeout", 99, "complete", "run_timeout"),
        ("child_fairness_key", "large", "complete", "priority.fairness_key"),
        ("signalled", "stop", "complete", "arguments[0]"),
        ("memo", "lost", "complete", "memo"),
        ("answer", "ill", "complete", "result"),
        ("result", "undone", "complete", "result"),
        ("failure", "no money", "fail", "message"),
        ("next", "never", "continue", "arguments[0]"),
        ("next_memo", "lost", "continue", "memo.next"),
        ("next_keyword", "lost", "continue", "search_attributes.CustomKeywordField"),
    ],
)
async def test_code_that_says_something_else_is_found(
    recorded: dict[str, WorkflowHistory], knob: str, value: Any, ending: str, path: str
) -> None:
    """One value is changed, and told with its place; Temporal's own replay finds nothing."""
    change(**{knob: value})
    found = await replayed(recorded[ending])
    assert found.failure is None
    (difference,) = found.differences
    assert [change.path for change in difference.changes] == [path]
    assert difference.command.event > 0
    first, second, third = list(told(found))
    assert "does not command what it did: 1 of" in first
    assert second.startswith(f"  event {difference.command.event}, ")
    assert path in third
    assert "then" in third
    assert "now" in third


async def test_the_first_other_command_is_told_with_what_temporal_says(recorded: dict[str, WorkflowHistory]) -> None:
    """Side by side; values are not compared then."""
    found = await SemanticReplayer(workflows=[_Renamed]).replay(recorded["complete"])
    assert found.failure is not None
    assert not found.same
    line, place, sides = told(found)
    assert "does not replay" in line
    assert re.fullmatch(r"  event \d+, activity told\.charge \(1\)", place)  # an update may have come before it
    assert sides == '      then "activity told.charge (1)"   now "completion (1)"'


@workflow.defn(name="told.Story", sandboxed=False)
class _Renamed:
    """The story, with nothing left of it."""

    @workflow.run
    async def run(self, ending: str) -> str:
        return ending
