"""Replays a sample of the histories that a run left behind with today's code."""

from collections.abc import AsyncIterator, Sequence

from temporalio.client import Client, WorkflowHistory

from harness.records.operations import substream
from harness.records.replays import Replay
from harness.records.run import RunInfo
from harness.records.workflows import WorkflowRun
from harness.replay.golden import stored_elsewhere
from harness.replay.told import told
from harness.target import Target

KINDS = frozenset({"scenario", "chaos"})
"""Kinds of run whose histories are replayed; a load's are too many, and the same ones."""
AT_MOST = 200
"""Histories of a run that are replayed: at some hundredths of a second of a processor each."""
RESET = "RESET_WORKFLOW"
ENDED_BY_ITSELF = frozenset({"completed", "failed", "canceled", "continued_as_new"})


async def replayed(client: Client, target: Target, info: RunInfo, runs: Sequence[WorkflowRun]) -> list[Replay] | None:
    """Replay what ended by itself; None where the target does not say how, and for kinds of run that are not replayed.

    A history whose payloads are stored elsewhere cannot be replayed without them, and is left out; so is one that was
    reset, whose beginning another run commanded, under that one's id. Raises RPCError.
    """
    if not target.replays or info.kind not in KINDS:
        return None
    ended = [run for run in runs if run.status in ENDED_BY_ITSELF and not _was_reset(run)]
    chosen = substream(info.seed, "replays").sample(ended, min(AT_MOST, len(ended)))
    histories = _fetched(client, sorted(chosen, key=lambda run: run.started))
    return [
        Replay(workflow_id=each.workflow_id, run_id=each.run_id, differs=tuple(told(each)))
        async for each in target.replayer().replay_each(histories)
    ]


def _was_reset(run: WorkflowRun) -> bool:
    return any(failure.cause == RESET for failure in run.task_failures)


async def _fetched(client: Client, runs: Sequence[WorkflowRun]) -> AsyncIterator[WorkflowHistory]:
    for run in runs:
        history = await client.get_workflow_handle(run.workflow_id, run_id=run.run_id).fetch_history()
        if not stored_elsewhere(history):
            yield history
