"""The folder of golden histories."""

import json
from pathlib import Path

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from harness.errors import CannotRun
from harness.replay.golden import NoHistories, choose, covers, read, write


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


def test_what_is_written_is_read(tmp_path: Path) -> None:
    kept = history("order-1", "timer_started", "workflow_execution_completed")
    write(tmp_path, choose([kept]))
    ((path, again),) = read(tmp_path)
    assert path == Path("orders.Order/completed-timer.json")
    assert again.workflow_id == "order-1"
    assert list(again.events) == list(kept.events)


def test_where_it_was_recorded_is_left_out(tmp_path: Path) -> None:
    """Stack traces and the names of processes."""
    kept = history("order-1", "workflow_execution_failed")
    kept.events[0].workflow_execution_started_event_attributes.identity = "7@a-machine"
    failed = kept.events[1].workflow_execution_failed_event_attributes.failure
    failed.message, failed.stack_trace = "no stock", "at /home/somebody"
    write(tmp_path, choose([kept]))
    text = next(tmp_path.rglob("*.json")).read_text()
    assert "no stock" in text
    assert "a-machine" not in text
    assert "somebody" not in text


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
