"""Starts a load under a workflow id: the same request again joins it, and another one is refused."""

from __future__ import annotations

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from system.errors import IdTaken
from system.pipeline.models import PIPELINE, LoadReport, LoadRequest
from system.pipeline.workflow import Pipeline

CALLED = {
    "sources": "files",
    "schema_": "schema",
    "again": "--again",
    "chunk_bytes": "--chunk-bytes",
    "concurrency": "--concurrency",
}
"""A request's fields as users know them."""


async def start(
    client: Client, task_queue: str, workflow_id: str, request: LoadRequest
) -> WorkflowHandle[Pipeline, LoadReport]:
    """Start the load, or join the one that runs; where it has ended, a new run reports it, or goes on with it.

    Raises:
        IdTaken: the id is that of another request, or of another kind of workflow.
        RPCError: Temporal refused it, or did not answer.

    """
    await _refuse_another(client, workflow_id, request)
    handle = await client.start_workflow(
        Pipeline.run,
        request,
        id=workflow_id,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
    )
    # Somebody else may have started theirs a moment ago.
    await _refuse_another(client, workflow_id, request)
    return handle


async def _refuse_another(client: Client, workflow_id: str, request: LoadRequest) -> None:
    try:
        first = await anext(client.get_workflow_handle(workflow_id).fetch_history_events(page_size=1))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return
        raise
    began = first.workflow_execution_started_event_attributes
    if began.workflow_type.name != PIPELINE:
        raise IdTaken(f"workflow id {workflow_id!r} is a workflow {began.workflow_type.name}: load under another --id")
    theirs: LoadRequest
    [theirs] = await client.data_converter.decode(began.input.payloads, [LoadRequest])
    others = [called for field, called in CALLED.items() if getattr(theirs, field) != getattr(request, field)]
    if others:
        raise IdTaken(f"workflow id {workflow_id!r} is a load with other {', '.join(others)}: load under another --id")
