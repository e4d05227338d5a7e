"""Heavy activities are for whichever worker is free; the others may come with the answer to their workflow task."""

import pytest
from running_system import App, Write
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.bridge.worker import Worker

from system.pipeline.models import LOAD_CHUNK, PREPARE, RECONCILE
from system.pipeline.schema import Schema


async def test_chunks_are_for_any_worker(
    app: App, write: Write, people: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks are not asked for eagerly, or the worker that has the workflow would load all of them; steps before are.

    Which worker has a chunk is the server's choice: so what it is asked for is read from the worker's own commands.
    """
    anywhere: dict[str, bool] = {}
    complete = Worker.complete_workflow_activation

    async def told(worker: Worker, completion: WorkflowActivationCompletion) -> None:
        for command in completion.successful.commands:
            if command.HasField("schedule_activity"):
                anywhere[command.schedule_activity.activity_type] = command.schedule_activity.do_not_eagerly_execute
        await complete(worker, completion)

    monkeypatch.setattr(Worker, "complete_workflow_activation", told)
    await app.load(write(b"name,age\nann,1\n"), people)
    assert anywhere == {PREPARE: False, LOAD_CHUNK: True, RECONCILE: False}
