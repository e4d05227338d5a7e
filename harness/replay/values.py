"""What Temporal's messages hold, as plain values: payloads, failures, durations, policies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, Payloads, Priority, RetryPolicy
from temporalio.api.failure.v1 import Failure

from harness.replay.commands import Json

FIRST_INTERVAL, COEFFICIENT, MOST_INTERVALS = 1.0, 2.0, 100
"""What the server makes of a retry policy, or of a part of one, that is not given (Temporal's documentation)."""
NEVER_ENCODED = ("temporal.api.common.v1.SearchAttributes", "temporal.api.common.v1.Header")
"""Messages whose payloads no codec has encoded, or which are not compared."""


def payload_value(payload: Payload) -> Json:
    """The JSON it holds; else its encoding and bytes."""
    encoding = payload.metadata.get("encoding", b"").decode()
    if encoding == "binary/null":
        return None
    if encoding.startswith("json/"):
        try:
            return json.loads(payload.data)
        except ValueError:
            pass
    return {"encoding": encoding, "hex": payload.data.hex()}


def payload_values(payloads: Iterable[Payload]) -> list[Json]:
    return [payload_value(payload) for payload in payloads]


def values_of(payloads: Payloads) -> list[Json]:
    return payload_values(payloads.payloads)


def named_values(payloads: Mapping[str, Payload]) -> dict[str, Json]:
    return {name: payload_value(payloads[name]) for name in sorted(payloads)}


def seconds(duration: Duration) -> float:
    """Zero where it is not set: no limit, as the server means it."""
    return duration.seconds + duration.nanos / 1e9


def retry_policy(policy: RetryPolicy | None) -> dict[str, Json]:
    """With what the server takes for parts that are not given."""
    policy = policy or RetryPolicy()
    first = seconds(policy.initial_interval) or FIRST_INTERVAL
    return {
        "initial_interval": first,
        "backoff_coefficient": policy.backoff_coefficient or COEFFICIENT,
        "maximum_interval": seconds(policy.maximum_interval) or first * MOST_INTERVALS,
        "maximum_attempts": policy.maximum_attempts,
        "non_retryable_error_types": list(policy.non_retryable_error_types),
    }


def nexus_fields(given: Any) -> dict[str, Json]:
    """What is asked of a Nexus operation; a command and its event name it alike."""
    return {
        "endpoint": given.endpoint,
        "service": given.service,
        "operation": given.operation,
        "input": payload_value(given.input) if given.HasField("input") else None,
        "schedule_to_close": seconds(given.schedule_to_close_timeout),
        "schedule_to_start": seconds(given.schedule_to_start_timeout),
        "start_to_close": seconds(given.start_to_close_timeout),
    }


def priority(given: Priority) -> dict[str, Json]:
    # Weights travel as 32-bit floats on both sides.
    return {"key": given.priority_key, "fairness_key": given.fairness_key, "fairness_weight": given.fairness_weight}


def failure(given: Failure) -> dict[str, Json]:
    """Without stack traces, which change with every edit, and without what names a process."""
    kind = given.WhichOneof("failure_info") or ""
    told: dict[str, Json] = {"message": given.message, "kind": kind.removesuffix("_info")}
    if given.HasField("encoded_attributes"):
        hidden = payload_value(given.encoded_attributes)
        told["encoded"] = {**hidden, "stack_trace": ""} if isinstance(hidden, dict) else hidden
    if kind == "application_failure_info":
        info = given.application_failure_info
        told |= {"type": info.type, "non_retryable": info.non_retryable, "details": values_of(info.details)}
        told["next_retry_delay"] = seconds(info.next_retry_delay)
    elif kind == "activity_failure_info":
        told |= {"activity": given.activity_failure_info.activity_type.name}
    elif kind == "child_workflow_execution_failure_info":
        told |= {"child": given.child_workflow_execution_failure_info.workflow_execution.workflow_id}
    if given.HasField("cause"):
        told["cause"] = failure(given.cause)
    return told


def payloads_in(message: Message) -> Iterator[Payload]:
    """Every payload that a codec may have encoded, wherever it is in a message."""
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.full_name in NEVER_ENCODED:
            continue
        for inner in inner_messages(field, value):
            if isinstance(inner, Payload):
                yield inner
            else:
                yield from payloads_in(inner)


def inner_messages(field: FieldDescriptor, value: Any) -> Iterable[Message]:
    """The messages that a field of messages holds: one, those of a list, or the values of a map."""
    if not field.is_repeated:
        return [value]
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return [item for item in value.values() if isinstance(item, Message)]
    return list(value)
