"""Each kind of command as a history holds it and as code issues it: both sides tell the same, with every value."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from commands_table import HELD, SAID
from printed import payload, read
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner

from harness.replay.commands import UNORDERED, Command
from harness.replay.issued import OWN_QUEUE, issued
from harness.replay.recorded import last_search_attributes, recorded, replayed_part
from harness.replay.runner import Asked, RecordingRunner

STARTED = 'event_id: 1 workflow_execution_started_event_attributes { task_queue { name: "mine" } }'


async def as_they_are(payloads: Sequence[Payload]) -> Sequence[Payload]:
    return payloads


async def held(*texts: str, decode: Any = as_they_are) -> list[Command]:
    """What a history with these events after the first records."""
    events = [read(HistoryEvent(event_id=number), text) for number, text in enumerate(texts, start=2)]
    return await recorded([read(HistoryEvent(), STARTED), *events], decode)


class Says(WorkflowRunner):
    """Stands in for the SDK's runner: each activation is answered with these commands."""

    def __init__(self, *texts: str) -> None:
        self.commands = [read(WorkflowCommand(), text) for text in texts]
        self.prepared: list[Any] = []
        self.failures: list[Any] = []
        self.activated: list[WorkflowActivation] = []

    def prepare_workflow(self, defn: Any) -> None:
        self.prepared.append(defn)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        self.failures.extend(types)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return SaysSo(self, det)


class SaysSo(WorkflowInstance):
    """Stands in for the SDK's instance."""

    def __init__(self, runner: Says, det: WorkflowInstanceDetails) -> None:
        self.activated = runner.activated
        self.completion = WorkflowActivationCompletion(run_id=det.info.run_id)
        self.completion.successful.commands.extend(runner.commands)

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        self.activated.append(act)
        return self.completion

    def get_serialization_context(self, command_info: Any) -> Any:
        return "serialization", command_info

    def get_external_store_context(self, command_info: Any) -> Any:
        return "store", command_info

    def get_info(self) -> Any:
        return "info"

    def get_thread_id(self) -> int | None:
        return 7


def details(run_id: str, queue: str = "mine") -> WorkflowInstanceDetails:
    """As much of them as matters here."""
    info: Any = SimpleNamespace(info=SimpleNamespace(run_id=run_id, task_queue=queue))
    return info  # type: ignore[no-any-return]  # the rest is the SDK's


def said(*texts: str) -> list[Command]:
    """What a runner keeps that was answered with these commands."""
    runner = RecordingRunner(Says(*texts))
    runner.create_instance(details("run-1")).activate(WorkflowActivation())
    return taken(runner, "run-1")


def taken(runner: RecordingRunner, run_id: str) -> list[Command]:
    """The commands that it kept of a run."""
    asked = runner.take(run_id)
    assert asked is not None
    return asked.commands


@pytest.mark.parametrize(("event", "told"), HELD)
async def test_an_event_is_told_with_every_value(event: str, told: Command) -> None:
    """By the id of the event, its own queue as its own, and what it is matched by."""
    assert await held(event) == [replace(told, event=2)]


@pytest.mark.parametrize(("command", "told"), SAID)
def test_a_command_is_told_with_every_value(command: str, told: Command) -> None:
    """In the same words as the event that the server makes of it."""
    assert said(command) == [told]


@pytest.mark.parametrize(("kind", "told"), [(told.kind, told) for _, told in HELD if told.kind not in UNORDERED])
def test_what_is_held_of_a_command_was_said_of_it(kind: str, told: Command) -> None:
    """Otherwise unchanged code would differ from its own history."""
    assert told in [other for _, other in SAID if other.kind == kind]


async def test_the_answer_of_an_update_is_known_by_its_request() -> None:
    """Its acceptance says by which id it is answered, and what was asked."""
    accepted = 'workflow_execution_update_accepted_event_attributes { protocol_instance_id: "p" accepted_request {'
    answered = "workflow_execution_update_completed_event_attributes { accepted_event_id: 2 outcome { success { } }"
    _, answer = await held(
        accepted + ' input { name: "approve" } } }',
        answered + ' meta { update_id: "u" } }',
    )
    assert (answer.kind, answer.name, answer.key) == ("update result", "approve", "p")


async def test_a_child_is_cancelled_by_its_id() -> None:
    """On both sides, also where the SDK says its number alone."""
    started, cancelled = 'seq: 3 workflow_id: "c-3"', "child_workflow_seq: 3"
    _, now = said(
        f"start_child_workflow_execution {{ {started} }}", f"cancel_child_workflow_execution {{ {cancelled} }}"
    )
    (then,) = await held(
        """request_cancel_external_workflow_execution_initiated_event_attributes {
            workflow_execution { workflow_id: "c-3" } child_workflow_only: true
        }"""
    )
    assert now == replace(then, event=0)


async def test_what_the_core_says_of_patches_is_no_command() -> None:
    """Workflows do not say it; what they say themselves at that place is."""
    upserted = "upsert_workflow_search_attributes_event_attributes { search_attributes { KEYS } }"
    patched, own = (f'indexed_fields {{ key: "{name}" value <["p"]> }}' for name in ("TemporalChangeVersion", "Domain"))
    found = await held(*(upserted.replace("KEYS", keys) for keys in (patched, own, patched + own)))
    assert [(one.key, list(one.fields)) for one in found] == [
        ("1", ["Domain"]),
        ("2", ["Domain", "TemporalChangeVersion"]),
    ]


@pytest.mark.parametrize(
    ("begun", "cancelled"),
    [
        ("start_timer { seq: 2 }", "cancel_timer { seq: 2 }"),
        ("schedule_activity { seq: 2 }", "request_cancel_activity { seq: 2 }"),
        ("start_child_workflow_execution { seq: 2 }", "cancel_child_workflow_execution { child_workflow_seq: 2 }"),
        ("schedule_nexus_operation { seq: 2 }", "request_cancel_nexus_operation { seq: 2 }"),
        ("signal_external_workflow_execution { seq: 2 }", "cancel_signal_workflow { seq: 2 }"),
    ],
)
def test_what_is_cancelled_in_its_own_task_was_taken_back(begun: str, cancelled: str) -> None:
    """Another of its kind stands, and what says no number; what is cancelled in a later task was sent by then."""
    texts = (begun.replace("2", "1"), begun, "modify_workflow_properties { }", cancelled)
    *commands, cancellation = [read(WorkflowCommand(), text) for text in texts]
    at_once, later = issued([[*commands, cancellation]], "mine"), issued([commands, [cancellation]], "mine")
    assert [one.withdrawn for one in at_once[:3]] == [False, True, False]
    assert not any(one.withdrawn for one in later)


async def test_commands_of_a_kind_are_numbered_in_their_order() -> None:
    """On both sides: what has no id of its own is matched by its number."""
    memos = ['upserted_memo { fields { key: "note" value <1> } }', 'upserted_memo { fields { key: "note" value <2> } }']
    then = await held(*(f"workflow_properties_modified_event_attributes {{ {memo} }}" for memo in memos))
    now = said(*(f"modify_workflow_properties {{ {memo} }}" for memo in memos))
    assert [(one.key, one.fields) for one in then] == [("1", {"note": 1}), ("2", {"note": 2})]
    assert [(one.key, one.fields) for one in now] == [("1", {"note": 1}), ("2", {"note": 2})]


async def test_what_is_no_command_is_passed_over() -> None:
    """Events that only happened, and commands of which nothing is compared; what comes after them is told."""
    timer = 'timer_started_event_attributes { timer_id: "1" start_to_fire_timeout { seconds: 1 } }'
    assert [one.kind for one in await held('timer_fired_event_attributes { timer_id: "1" }', "", timer)] == ["timer"]
    assert [one.kind for one in said('set_patch_marker { patch_id: "p" }', "", "start_timer { seq: 1 }")] == ["timer"]


async def test_payloads_are_decoded_before_they_are_told() -> None:
    """All of an event at once, in their order, but for search attributes, which nobody encodes; the event stays."""
    asked: list[int] = []

    async def decode(payloads: Sequence[Payload]) -> Sequence[Payload]:
        asked.append(len(payloads))
        return [Payload(metadata=one.metadata, data=one.data[::-1]) for one in payloads]

    text = """start_child_workflow_execution_initiated_event_attributes {
        workflow_id: "c" input { payloads <21> payloads <43> } memo { fields { key: "note" value <65> } }
        search_attributes { indexed_fields { key: "Size" value <87> } }
    }"""
    event = read(HistoryEvent(), text)
    (child,) = await recorded([event], decode)
    assert child.fields["arguments"] == [12, 34]
    assert child.fields["memo"] == {"note": 56}
    assert child.fields["search_attributes"] == {"Size": 87}
    assert asked == [3]
    assert event == read(HistoryEvent(), text)


async def test_a_decoder_that_loses_payloads_is_an_error() -> None:
    """What is compared with fewer values than there were would be compared wrongly."""

    async def loses(payloads: Sequence[Payload]) -> Sequence[Payload]:
        return payloads[1:]

    with pytest.raises(ValueError, match="shorter"):
        await held("workflow_execution_completed_event_attributes { result { payloads <1> } }", decode=loses)


def test_only_the_newest_instance_of_a_run_counts() -> None:
    """A run that was evicted is replayed from its start; other runs keep what they said."""
    runner = RecordingRunner(Says("start_timer { seq: 1 }"))
    for run in ("one", "other"):
        runner.create_instance(details(run)).activate(WorkflowActivation())
    newest = runner.create_instance(details("one"))
    for _ in range(2):
        newest.activate(WorkflowActivation())
    assert len(taken(runner, "one")) == 2
    assert len(taken(runner, "other")) == 1
    assert runner.take("never seen") is None


def test_it_is_known_how_far_a_run_was_replayed() -> None:
    """To the workflow task of its last activation; that it leaves the cache is none."""
    runner = RecordingRunner(Says("start_timer { seq: 1 }"))
    instance = runner.create_instance(details("one"))
    for reached in (3, 3, 9):
        instance.activate(WorkflowActivation(history_length=reached))
    instance.activate(read(WorkflowActivation(history_length=10), "jobs { remove_from_cache { } }"))
    asked = runner.take("one")
    assert asked is not None
    assert (asked.reached, len(asked.commands)) == (9, 3)
    assert (Asked().reached, Asked().commands) == (0, [])


def events(*names: str) -> list[HistoryEvent]:
    return [
        read(HistoryEvent(event_id=number), f"{name}_event_attributes {{ }}") for number, name in enumerate(names, 1)
    ]


@pytest.mark.parametrize(("reached", "last"), [(0, 3), (3, 7), (7, 9), (9, 9)])
def test_what_was_replayed_ends_with_what_came_of_the_last_task(reached: int, last: int) -> None:
    """Its commands, and what happened until the next task was done."""
    task = ("workflow_task_scheduled", "workflow_task_started", "workflow_task_completed")
    history = events("workflow_execution_started", *task, "timer_started", *task, "workflow_execution_completed")
    assert [event.event_id for event in replayed_part(history, reached)] == [*range(1, last + 1)]


async def test_what_a_run_is_found_by_is_handed_over_as_it_was_said_last() -> None:
    """But for what the core said of patches, and what was unset: that is no difference where a server hands it over."""
    said: list[tuple[str, dict[str, Any]]] = [
        ("workflow_execution_started", {"A": 1, "B": 1, "C": 1}),
        ("upsert_workflow_search_attributes", {"B": 2, "C": "null"}),
        ("workflow_task_completed", {}),
        ("upsert_workflow_search_attributes", {"TemporalChangeVersion": []}),
    ]
    history = events(*(name for name, _ in said))
    for event, (name, attributes) in zip(history, said, strict=True):
        for key, value in attributes.items():
            search_attributes = getattr(event, f"{name}_event_attributes").search_attributes
            search_attributes.indexed_fields[key].CopyFrom(payload(str(value)))
    assert last_search_attributes(history) == {"A": 1, "B": 2}
    (continued,) = await held(
        """workflow_execution_continued_as_new_event_attributes {
            search_attributes { indexed_fields { key: "B" value <2> } indexed_fields { key: "C" value <null> } }
        }"""
    )
    assert continued.fields["search_attributes"] == {"B": 2}


def test_what_was_taken_is_kept_no_longer() -> None:
    """Of a run that was compared nothing stays in memory."""
    runner = RecordingRunner(Says("start_timer { seq: 1 }"))
    runner.create_instance(details("one")).activate(WorkflowActivation())
    assert len(taken(runner, "one")) == 1
    assert runner.take("one") is None


def test_commands_are_kept_as_they_were_said() -> None:
    """The worker encodes them in place afterwards; each run's own queue is told apart from others."""
    says = Says('schedule_activity { activity_id: "1" task_queue: "q" arguments <1> }')
    runner = RecordingRunner(says)
    here = runner.create_instance(details("here", "q")).activate(WorkflowActivation())
    runner.create_instance(details("there", "other")).activate(WorkflowActivation())
    here.successful.commands[0].schedule_activity.arguments[0].data = b"2"
    kept = taken(runner, "here")
    assert [one.fields["arguments"] for one in kept] == [[1]]
    assert [one.fields["task_queue"] for one in kept] == [OWN_QUEUE]
    assert [one.fields["task_queue"] for one in taken(runner, "there")] == ["q"]


def test_the_runner_is_otherwise_the_one_it_stands_before() -> None:
    """All the worker asks of it, it is asked in turn; the completion goes to the worker as it is."""
    says = Says("start_timer { seq: 1 }")
    runner = RecordingRunner(says)
    definition: Any = object()
    runner.prepare_workflow(definition)
    runner.set_worker_level_failure_exception_types([ValueError])
    assert says.prepared == [definition]
    assert says.failures == [ValueError]
    instance: Any = runner.create_instance(details("run-1"))
    activation = WorkflowActivation(run_id="run-1")
    completion = instance.activate(activation)
    assert says.activated == [activation]
    assert completion.run_id == "run-1"
    assert len(completion.successful.commands) == 1
    assert instance.get_serialization_context("a command") == ("serialization", "a command")
    assert instance.get_external_store_context("a command") == ("store", "a command")
    assert instance.get_info() == "info"
    assert instance.get_thread_id() == 7
