"""Semantic replay of histories written by hand, in this process: no server is needed for it."""

import dataclasses
from collections.abc import Sequence

import pytest
from printed import payload, read
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.plugin import SimplePlugin
from waiting_workflows import Wait, WaitOutside, Words

from harness.replay.commands import Change
from harness.replay.semantic import SemanticReplayer

WORKFLOWS = [Wait, WaitOutside]
STARTED = """workflow_execution_started_event_attributes {
    workflow_type { name: "NAME" } task_queue { name: "mine" } input { payloads <"done"> }
    original_execution_run_id: "run-1" first_execution_run_id: "run-1" attempt: 1
    workflow_run_timeout { seconds: 60 } workflow_task_timeout { seconds: 8 }
}"""
SCHEDULED = 'workflow_task_scheduled_event_attributes { task_queue { name: "mine" } }'
WAITED = (
    SCHEDULED,
    "workflow_task_started_event_attributes { scheduled_event_id: 2 }",
    "workflow_task_completed_event_attributes { scheduled_event_id: 2 started_event_id: 3 }",
    """timer_started_event_attributes {
        timer_id: "1" start_to_fire_timeout { seconds: 5 } workflow_task_completed_event_id: 4
    }""",
    'timer_fired_event_attributes { timer_id: "1" started_event_id: 5 }',
    SCHEDULED,
    "workflow_task_started_event_attributes { scheduled_event_id: 7 }",
    "workflow_task_completed_event_attributes { scheduled_event_id: 7 started_event_id: 8 }",
)
COMPLETED = """workflow_execution_completed_event_attributes {
    result { payloads <"done"> } workflow_task_completed_event_id: 9
}"""
CONTINUED = """workflow_execution_continued_as_new_event_attributes {
    workflow_type { name: "told.WaitOutside" } task_queue { name: "mine" } input { payloads <"done"> }
    workflow_run_timeout { seconds: 60 } workflow_task_timeout { seconds: 8 }
    new_execution_run_id: "run-2" workflow_task_completed_event_id: 9
}"""


def history(name: str, end: str = COMPLETED) -> WorkflowHistory:
    """A run that waited five seconds and ended; each event is of another second."""
    events = []
    for number, text in enumerate((STARTED.replace("NAME", name), *WAITED, end), start=1):
        event = read(HistoryEvent(event_id=number), text)
        event.event_time.seconds = number
        kind = str(event.WhichOneof("attributes")).removesuffix("_event_attributes").upper()
        event.event_type = EventType.Value(f"EVENT_TYPE_{kind}")
        events.append(event)
    return WorkflowHistory("wait-1", events)


@pytest.mark.parametrize("name", ["told.Wait", "told.WaitOutside"])
async def test_what_a_replay_finds_is_told_with_the_run_it_is_of(name: str) -> None:
    """In the sandbox and outside: both commands are compared, and are the same."""
    found = await SemanticReplayer(workflows=WORKFLOWS).replay(history(name))
    assert (found.workflow_id, found.run_id, found.workflow_type) == ("wait-1", "run-1", name)
    assert (found.failure, found.differences, found.compared, found.same) == (None, [], 2, True)


async def test_one_replayer_replays_any_number_of_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a history that differs, which is told with its event."""
    replayer = SemanticReplayer(workflows=WORKFLOWS)
    monkeypatch.setattr(Words, "seconds", 6)
    monkeypatch.setattr(Words, "word", "undone")
    found = await replayer.replay(history("told.WaitOutside"))
    assert [(one.command.event, one.changes) for one in found.differences] == [
        (5, [Change(path="duration", then=5.0, now=6.0)]),
        (10, [Change(path="result", then="done", now="undone")]),
    ]
    assert not found.same
    monkeypatch.undo()
    assert (await replayer.replay(history("told.WaitOutside"))).same


async def test_of_a_history_of_other_commands_the_first_is_told() -> None:
    """Temporal's own replay fails, and says so; values are not compared."""
    failed = "workflow_execution_failed_event_attributes { workflow_task_completed_event_id: 9 }"
    found = await SemanticReplayer(workflows=WORKFLOWS).replay(history("told.Wait", failed))
    assert "TMPRL1100" in str(found.failure)
    assert (found.workflow_id, found.run_id, found.workflow_type) == ("wait-1", "run-1", "told.Wait")
    assert (found.compared, found.same) == (0, False)
    assert [(one.command.event, one.changes) for one in found.differences] == [
        (10, [Change(path="", then="failure (1)", now="completion (1)")])
    ]


@pytest.mark.parametrize(
    ("knob", "value", "event", "change"),
    [
        ("waits", False, 5, ("timer (1)", "completion (1)")),
        ("waits_on", True, 10, ("completion (1)", "timer (2)")),
        ("again", True, 10, ("completion (1)", "continue as new (1)")),
    ],
)
async def test_code_that_drops_adds_or_exchanges_a_command_is_told_where(
    monkeypatch: pytest.MonkeyPatch, knob: str, value: bool, event: int, change: tuple[str, str]
) -> None:
    """Where Temporal's own replay fails: that event, what stood there, and what stands there now."""
    monkeypatch.setattr(Words, knob, value)
    found = await SemanticReplayer(workflows=WORKFLOWS).replay(history("told.WaitOutside"))
    assert "TMPRL1100" in str(found.failure)
    (other,) = found.differences
    assert (other.command.event, other.changes) == (event, [Change(path="", then=change[0], now=change[1])])


async def test_what_temporal_says_is_told_where_payloads_cannot_be_read() -> None:
    """Its own replay needs them as well; and it may be why it fails."""

    class Unreadable(Wrapping):
        async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
            raise ValueError("another key was used")

    converter = dataclasses.replace(DataConverter.default, payload_codec=Unreadable())
    found = await SemanticReplayer(workflows=WORKFLOWS, data_converter=converter).replay(history("told.Wait"))
    assert "another key was used" in str(found.failure)


async def test_a_history_of_a_workflow_that_nobody_has_is_not_compared() -> None:
    """It was asked nothing."""
    found = await SemanticReplayer(workflows=[Wait]).replay(history("told.WaitOutside"))
    assert found.failure is not None
    assert list(found.differences) == []


class Wrapping(PayloadCodec):
    """A payload as the data of another."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(metadata={"encoding": b"wrapped"}, data=one.SerializeToString()) for one in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(one.data) for one in payloads]


async def test_what_the_server_carries_over_to_the_next_run_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that continues as new says neither type nor timeouts nor memo; the history has those of this run."""
    monkeypatch.setattr(Words, "again", True)
    run = history("told.WaitOutside", CONTINUED)
    started = run.events[0].workflow_execution_started_event_attributes
    ended = run.events[-1].workflow_execution_continued_as_new_event_attributes
    for attributes in (started, ended):
        attributes.memo.fields["note"].CopyFrom((await Wrapping().encode([payload("1")]))[0])
        attributes.search_attributes.indexed_fields["Domain"].CopyFrom(payload('"orders"'))
    for argument in (started.input.payloads[0], ended.input.payloads[0]):
        argument.CopyFrom((await Wrapping().encode([argument]))[0])
    converter = dataclasses.replace(DataConverter.default, payload_codec=Wrapping())
    found = await SemanticReplayer(workflows=WORKFLOWS, data_converter=converter).replay(run)
    assert (found.failure, found.differences, found.compared) == (None, [], 2)


async def test_payloads_are_compared_as_the_codec_decodes_them() -> None:
    """What a history holds is encoded; what code says now is not yet. A plugin may bring workflows and codec."""
    converter = dataclasses.replace(DataConverter.default, payload_codec=Wrapping())
    recorded = history("told.WaitOutside")
    started = recorded.events[0].workflow_execution_started_event_attributes
    ended = recorded.events[-1].workflow_execution_completed_event_attributes
    for payloads in (started.input.payloads, ended.result.payloads):
        payloads[0].CopyFrom((await Wrapping().encode(payloads))[0])
    plugin = SimplePlugin("wrapping", data_converter=converter, workflows=WORKFLOWS)
    for replayer in (
        SemanticReplayer(workflows=WORKFLOWS, data_converter=converter),
        SemanticReplayer(plugins=[plugin]),
    ):
        found = await replayer.replay(recorded)
        assert found.failure is None
        assert found.same
    plain = await SemanticReplayer(workflows=WORKFLOWS, data_converter=converter).replay(history("told.WaitOutside"))
    assert not plain.same
