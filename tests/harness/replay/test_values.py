"""What Temporal's messages hold, as plain values, by hand."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from printed import payload, read
from temporalio.api.common.v1 import Payload, Payloads, RetryPolicy
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from harness.replay.values import (
    failure,
    named_values,
    payload_value,
    payload_values,
    payloads_in,
    retry_policy,
    seconds,
    values_of,
)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (payload('{"a": [1, null]}'), {"a": [1, None]}),
        (payload('"x"', encoding="json/protobuf"), "x"),
        (payload("anything", encoding="binary/null"), None),
        (payload("{", encoding="json/plain"), {"encoding": "json/plain", "hex": "7b"}),
        (payload("1", encoding="binary/json/"), {"encoding": "binary/json/", "hex": "31"}),
        (Payload(data=b"\x00\xff"), {"encoding": "", "hex": "00ff"}),
    ],
)
def test_a_payload_is_its_json_else_its_bytes(given: Payload, value: Any) -> None:
    """Whatever the flavour of JSON; what claims to be JSON and is none is told by its bytes as well."""
    assert payload_value(given) == value


def test_payloads_keep_their_order_and_names_are_sorted() -> None:
    """Two mappings with the same payloads are told alike."""
    one, two = payload("1"), payload("2")
    assert payload_values(iter([two, one])) == [2, 1]
    assert values_of(Payloads(payloads=[two, one])) == [2, 1]
    assert list(named_values({"b": two, "a": one}).items()) == [("a", 1), ("b", 2)]


def test_a_duration_is_told_in_seconds() -> None:
    """With its nanoseconds; none is zero."""
    assert seconds(Duration(seconds=3, nanos=250_000_000)) == 3.25
    assert seconds(Duration()) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (1.0, 2.0, 100.0, 0)),
        ("initial_interval { seconds: 5 }", (5.0, 2.0, 500.0, 0)),
        ("backoff_coefficient: 1.5 maximum_attempts: 3", (1.0, 1.5, 100.0, 3)),
        ("initial_interval { seconds: 5 } maximum_interval { seconds: 7 }", (5.0, 2.0, 7.0, 0)),
    ],
)
def test_a_retry_policy_is_told_with_what_the_server_fills_in(text: str, expected: tuple[Any, ...]) -> None:
    """The documented defaults: a second, doubled each time, up to a hundred times the first interval."""
    policy = retry_policy(read(RetryPolicy(), text))
    assert policy.pop("non_retryable_error_types") == []
    assert tuple(policy.values()) == expected
    assert list(policy) == ["initial_interval", "backoff_coefficient", "maximum_interval", "maximum_attempts"]


def test_no_retry_policy_is_the_servers() -> None:
    assert retry_policy(None) == retry_policy(RetryPolicy())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('message: "no" stack_trace: "at 1" source: "PythonSDK"', {"message": "no", "kind": ""}),
        (
            """message: "no" application_failure_info {
                type: "OutOfStock" non_retryable: true details { payloads <1> payloads <"b"> }
                next_retry_delay { seconds: 2 }
            }""",
            {
                "message": "no",
                "kind": "application_failure",
                "type": "OutOfStock",
                "non_retryable": True,
                "details": [1, "b"],
                "next_retry_delay": 2.0,
            },
        ),
        (
            'activity_failure_info { activity_type { name: "charge" } identity: "7@host" } cause { message: "inner" }',
            {
                "message": "",
                "kind": "activity_failure",
                "activity": "charge",
                "cause": {"message": "inner", "kind": ""},
            },
        ),
        (
            'child_workflow_execution_failure_info { workflow_execution { workflow_id: "c" run_id: "r" } }',
            {"message": "", "kind": "child_workflow_execution_failure", "child": "c"},
        ),
        (
            'encoded_attributes <{"message": "no", "stack_trace": "at 1"}>',
            {"message": "", "kind": "", "encoded": {"message": "no", "stack_trace": ""}},
        ),
        ('encoded_attributes <"hidden">', {"message": "", "kind": "", "encoded": "hidden"}),
        ("canceled_failure_info { }", {"message": "", "kind": "canceled_failure"}),
    ],
)
def test_a_failure_is_told_without_what_changes_with_every_edit(text: str, told: dict[str, Any]) -> None:
    """Stack traces and the names of processes are left out, encoded ones too; all that code says is there."""
    assert failure(read(Failure(), text)) == told


def test_payloads_are_found_wherever_a_codec_may_have_been() -> None:
    """In lists, maps and failures within failures; search attributes and headers are encoded by none."""
    event = read(
        HistoryEvent(event_id=3),
        """
        start_child_workflow_execution_initiated_event_attributes {
            workflow_type { name: "Child" }
            input { payloads <1> payloads <2> }
            memo { fields { key: "a" value <3> } }
            header { fields { key: "h" value <0> } }
            search_attributes { indexed_fields { key: "s" value <0> } }
        }
        user_metadata { summary <4> }
        """,
    )
    assert sorted(one.data for one in payloads_in(event)) == [b"1", b"2", b"3", b"4"]
    failed = read(
        Failure(), "cause { encoded_attributes <5> cause { application_failure_info { details { payloads <6> } } } }"
    )
    assert sorted(one.data for one in payloads_in(failed)) == [b"5", b"6"]


def test_a_message_without_payloads_has_none() -> None:
    """Numbers, texts, and maps of texts are passed over."""
    event = read(
        HistoryEvent(event_id=3), "nexus_operation_scheduled_event_attributes { nexus_header { key: 'k' value: 'v' } }"
    )
    assert list(payloads_in(event)) == []
