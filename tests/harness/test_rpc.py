"""What a call is about is read from its messages, or known from the task it speaks of."""

import pytest
from temporalio.api.common.v1 import ActivityType, WorkflowExecution
from temporalio.api.workflowservice import v1 as service

from harness import rpc
from harness.rpc import About, Tasks


def task(token: bytes, activity: str, attempt: int = 1) -> service.PollActivityTaskQueueResponse:
    return service.PollActivityTaskQueueResponse(
        task_token=token,
        workflow_execution=WorkflowExecution(workflow_id="order", run_id="run"),
        activity_type=ActivityType(name=activity),
        attempt=attempt,
    )


def completion(token: bytes) -> bytes:
    return service.RespondActivityTaskCompletedRequest(task_token=token).SerializeToString()


CAPTURE = About(workflow_id="order", run_id="run", activity="capture", attempt=2)
SHIP = About(workflow_id="order", run_id="run", activity="ship", attempt=1)


def test_a_task_that_was_polled_for_is_known_by_its_token() -> None:
    """Another one is not."""
    tasks = Tasks()
    assert tasks.in_response("PollActivityTaskQueue", task(b"1", "capture", 2).SerializeToString()) == [CAPTURE]
    assert tasks.in_request("RespondActivityTaskCompleted", completion(b"1")) == CAPTURE
    assert tasks.in_request("RespondActivityTaskCompleted", completion(b"2")) == About()


def test_a_poll_without_a_task_tells_nothing() -> None:
    """As when it ends."""
    assert Tasks().in_response("PollActivityTaskQueue", b"") == []


def test_every_task_that_is_handed_out_eagerly_is_known() -> None:
    """With the workflow task that comes along."""
    answer = service.RespondWorkflowTaskCompletedResponse(
        activity_tasks=[task(b"1", "capture", 2), task(b"2", "ship")],
        workflow_task=service.PollWorkflowTaskQueueResponse(
            task_token=b"3", workflow_execution=WorkflowExecution(workflow_id="order", run_id="run")
        ),
    )
    tasks = Tasks()
    order = About(workflow_id="order", run_id="run")
    assert tasks.in_response("RespondWorkflowTaskCompleted", answer.SerializeToString()) == [CAPTURE, SHIP, order]
    assert tasks.in_request("RespondActivityTaskCompleted", completion(b"2")) == SHIP
    again = service.RespondWorkflowTaskCompletedRequest(task_token=b"3").SerializeToString()
    assert tasks.in_request("RespondWorkflowTaskCompleted", again) == order


def test_the_oldest_tasks_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wire that stands for days does not grow."""
    monkeypatch.setattr(rpc, "TOKENS_REMEMBERED", 1)
    tasks = Tasks()
    for token in (b"1", b"2"):
        tasks.in_response("PollActivityTaskQueue", task(token, "ship").SerializeToString())
    assert tasks.in_request("RespondActivityTaskCompleted", completion(b"1")) == About()
    assert tasks.in_request("RespondActivityTaskCompleted", completion(b"2")) == SHIP


def test_an_update_with_its_start_is_about_the_workflow_it_starts() -> None:
    """They are one call."""
    start = service.StartWorkflowExecutionRequest(workflow_id="order")
    request = service.ExecuteMultiOperationRequest(
        operations=[service.ExecuteMultiOperationRequest.Operation(start_workflow=start)]
    )
    about = Tasks().in_request("ExecuteMultiOperation", request.SerializeToString())
    assert about == About(workflow_id="order")
