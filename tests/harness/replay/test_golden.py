"""The folder of golden histories."""

import json
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from harness.errors import CannotRun
from harness.replay.golden import NoHistories, choose, covers, read, way, write


def history(workflow_id: str, *attributes: str, kind: str = "orders.Order") -> WorkflowHistory:
    """A history with these events after the first."""
    events = [HistoryEvent(event_id=1)]
    events[0].workflow_execution_started_event_attributes.workflow_type.name = kind
    events[0].workflow_execution_started_event_attributes.original_execution_run_id = f"run-{workflow_id}"
    for number, name in enumerate(attributes, start=2):
        event = HistoryEvent(event_id=number)
        getattr(event, name + "_event_attributes").SetInParent()
        events.append(event)
    return WorkflowHistory(workflow_id, events)


def test_a_way_is_named_by_its_end_and_what_it_used() -> None:
    assert covers(history("a", "timer_started", "workflow_execution_completed")) == "completed-timer"
    assert covers(history("a", "activity_task_scheduled")) == "open-activity"


def test_the_shortest_of_each_way_is_kept() -> None:
    long = history("long", "timer_started", "timer_started", "workflow_execution_completed")
    short = history("short", "timer_started", "workflow_execution_completed")
    other = history("other", "workflow_execution_failed", kind="a/b")
    chosen = choose([long, short, other])
    assert {str(path): kept.workflow_id for path, kept in chosen.items()} == {
        "orders.Order/completed-timer.json": "short",
        "a_b/failed.json": "other",
    }


def ways(*histories: WorkflowHistory) -> list[str]:
    return [way(one) for one in histories]


def doing(*types: str) -> WorkflowHistory:
    """A history that had these activities done."""
    done = history("a", *("activity_task_scheduled" for _ in types), "workflow_execution_completed")
    for event, name in zip(done.events[1:], types, strict=False):
        event.activity_task_scheduled_event_attributes.activity_type.name = name
    return done


def test_ways_are_told_apart_by_what_was_done() -> None:
    """A saga that went well covers what one covers that was undone; in which order all was begun does not count."""
    well, undone = doing("reserve", "charge", "confirm"), doing("reserve", "charge", "refund", "release")
    assert covers(well) == covers(undone)
    assert len(choose([well, undone])) == 2
    assert len(set(ways(doing("a", "b"), doing("b", "a", "a")))) == 1
    assert len(set(ways(doing("ab"), doing("a", "b")))) == 2
    assert way(doing("a")).startswith("completed-activity-")


def test_ways_are_told_apart_by_children_and_nexus_operations() -> None:
    """Like by activities."""
    names = ("start_child_workflow_execution_initiated", "nexus_operation_scheduled")
    children, operations = ([history("a", name) for _ in range(2)] for name in names)
    for number, (child, nexus) in enumerate(zip(children, operations, strict=True)):
        child.events[1].start_child_workflow_execution_initiated_event_attributes.workflow_type.name = f"C{number}"
        nexus.events[1].nexus_operation_scheduled_event_attributes.operation = f"o{number}"
    assert len(set(ways(*children, *operations))) == 4
    assert covers(operations[0]) == "open-nexus"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    kept = history("order-1", "timer_started", "workflow_execution_completed")
    write(tmp_path, choose([kept]))
    ((path, again),) = read(tmp_path)
    assert path == Path("orders.Order/completed-timer.json")
    assert again.workflow_id == "order-1"
    assert list(again.events) == list(kept.events)


def test_where_it_was_recorded_is_left_out(tmp_path: Path) -> None:
    """Stack traces and the names of processes, and of queues that are one process's own."""
    kept = history("order-1", "workflow_execution_failed", "workflow_task_scheduled", "workflow_task_completed")
    started = kept.events[0].workflow_execution_started_event_attributes
    started.identity = "7@a-machine"
    failed = kept.events[1].workflow_execution_failed_event_attributes.failure
    failed.message, failed.stack_trace = "no stock", "at /home/somebody"
    failed.cause.stack_trace = "at /home/somebody"
    queue = kept.events[2].workflow_task_scheduled_event_attributes.task_queue
    queue.kind, queue.name, queue.normal_name = TaskQueueKind.TASK_QUEUE_KIND_STICKY, "7@a-machine", "orders"
    kept.events[3].workflow_task_completed_event_attributes.binary_checksum = "7c0ffee7"
    write(tmp_path, choose([kept]))
    text = next(tmp_path.rglob("*.json")).read_text()
    assert "no stock" in text
    assert "orders" in text
    assert "a-machine" not in text
    assert "somebody" not in text
    assert "7c0ffee7" not in text
    assert started.identity == "7@a-machine"


def test_keys_of_the_user_s_are_left_as_they_are(tmp_path: Path) -> None:
    """Whatever they are called: in memo, headers and search attributes, and in what Nexus is told."""
    kept = history("order-1", "nexus_operation_scheduled")
    started = kept.events[0].workflow_execution_started_event_attributes
    for name in ("identity", "requestId", "request_id", "stackTrace", "stack_trace", "kind", "name"):
        for fields in (started.memo.fields, started.header.fields, started.search_attributes.indexed_fields):
            fields[name].data = b'"the user\'s"'
        kept.events[1].nexus_operation_scheduled_event_attributes.nexus_header[name] = "the user's"
    kept.events[1].nexus_operation_scheduled_event_attributes.request_id = "drawn"
    write(tmp_path, choose([kept]))
    ((_, again),) = read(tmp_path)
    assert again.events[0] == kept.events[0]
    told = again.events[1].nexus_operation_scheduled_event_attributes
    assert told.request_id == "recorded"
    assert told.nexus_header == kept.events[1].nexus_operation_scheduled_event_attributes.nexus_header


@pytest.mark.parametrize("made", [False, True])
def test_a_missing_or_empty_folder_is_no_success(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "histories"
    if made:
        folder.mkdir()
    with pytest.raises(NoHistories, match="temper replay record"):
        list(read(folder))


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"events": []}), json.dumps({"events": [{"x": 1}]})])
def test_a_file_that_is_no_history_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "broken.json").write_text(content)
    with pytest.raises(CannotRun, match=r"broken\.json"):
        list(read(tmp_path))
