"""What the server makes of timeouts, by hand; the real server agrees in test_semantic.py."""

import pytest

from harness.replay.commands import Command
from harness.replay.served import Started, activity_timeouts, as_served, nexus_timeouts

NAMES = ("schedule_to_close", "schedule_to_start", "start_to_close", "heartbeat")
STARTED = Started(
    workflow_type="Story", run_timeout=60, task_timeout=10, memo={"note": 1}, search_attributes={"Domain": "orders"}
)


@pytest.mark.parametrize(
    ("given", "run_timeout", "served"),
    [
        ((0, 0, 10, 0), 0, (0, 0, 10, 0)),
        ((0, 0, 10, 0), 60, (60, 60, 10, 0)),
        ((0, 5, 10, 0), 60, (60, 5, 10, 0)),
        ((20, 0, 0, 0), 0, (20, 20, 20, 0)),
        ((20, 5, 10, 3), 0, (20, 5, 10, 3)),
        ((20, 30, 40, 50), 0, (20, 20, 20, 20)),
        ((100, 100, 100, 100), 60, (60, 60, 60, 60)),
        ((0, 0, 10, 30), 0, (0, 0, 10, 10)),
        ((0, 0, 0, 5), 0, (0, 0, 0, 5)),
    ],
)
def test_timeouts_are_filled_in_and_capped(
    given: tuple[float, ...], run_timeout: float, served: tuple[float, ...]
) -> None:
    found = activity_timeouts(dict(zip(NAMES, given, strict=True)) | {"type": "charge"}, run_timeout)
    assert tuple(found[name] for name in NAMES) == served
    assert found["type"] == "charge"


def test_a_child_gets_the_default_of_a_task() -> None:
    child = Command(kind="child workflow", key="1", fields={"task_timeout": 0.0, "run_timeout": 0.0})
    assert as_served(child, STARTED).fields == {"task_timeout": 10.0, "run_timeout": 0.0}


def test_continuing_as_new_inherits_what_it_does_not_say() -> None:
    fields = {"type": "", "run_timeout": 0.0, "task_timeout": 5.0, "memo": {}, "search_attributes": {}}
    inherited = {
        "type": "Story", "run_timeout": 60, "task_timeout": 5.0, "memo": {"note": 1},
        "search_attributes": {"Domain": "orders"},
    }  # fmt: skip
    assert as_served(Command(kind="continue as new", key="1", fields=fields), STARTED).fields == inherited
    given = {**fields, "memo": {"other": 2}, "search_attributes": {"Domain": "tasks"}}
    served = as_served(Command(kind="continue as new", key="1", fields=given), STARTED).fields
    assert served == {**inherited, "memo": {"other": 2}, "search_attributes": {"Domain": "tasks"}}


@pytest.mark.parametrize(
    ("given", "run_timeout", "served"),
    [
        ((0, 0, 0), 0, (0, 0, 0)),
        ((0, 25, 30), 0, (0, 25, 30)),
        ((20, 25, 30), 0, (20, 20, 20)),
        ((20, 25, 30), 15, (15, 15, 15)),
        ((20, 5, 0), 60, (20, 5, 0)),
        ((0, 0, 70), 60, (60, 0, 60)),
    ],
)
def test_a_nexus_operation_has_no_longer_than_its_run(
    given: tuple[float, ...], run_timeout: float, served: tuple[float, ...]
) -> None:
    """And each part of it no longer than all of it; the real server gave these."""
    names = ("schedule_to_close", "schedule_to_start", "start_to_close")
    fields = dict(zip(names, given, strict=True)) | {"operation": "pay"}
    found = nexus_timeouts(fields, run_timeout)
    assert (tuple(found[name] for name in names), found["operation"]) == (served, "pay")
    said = Command(kind="Nexus operation", key="1", fields=fields)
    assert as_served(said, Started(workflow_type="", run_timeout=run_timeout, task_timeout=0)).fields == found


def test_others_are_served_as_they_are() -> None:
    said = Command(kind="timer", key="1", fields={"duration": 3.0})
    assert as_served(said, STARTED) == said


def test_an_activity_gets_what_its_run_leaves_it() -> None:
    """Its timeouts are those of the run's own, where it says none."""
    said = Command(kind="activity", key="1", fields=dict(zip(NAMES, (0.0, 0.0, 5.0, 0.0), strict=True)))
    served = as_served(said, STARTED)
    assert served.fields == dict(zip(NAMES, (60, 60, 5.0, 0.0), strict=True))
    assert (served.kind, served.key) == ("activity", "1")
