"""What the server makes of a command before it records it, so that both sides can be compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from harness.replay.commands import Command, Json

TASK_TIMEOUT = 10.0
"""Seconds a child's workflow tasks may take where nothing is given: the server's default."""


@dataclass(frozen=True, kw_only=True)
class Started:
    """What the first event says that later commands inherit; seconds, zero for none."""

    workflow_type: str
    run_timeout: float
    task_timeout: float


def as_served(command: Command, started: Started) -> Command:
    """Fill in what the server fills in."""
    fields: Mapping[str, Json] = command.fields
    if command.kind == "activity":
        fields = activity_timeouts(fields, started.run_timeout)
    elif command.kind == "child workflow":
        fields = {**fields, "task_timeout": fields["task_timeout"] or TASK_TIMEOUT}
    elif command.kind == "continue as new":
        inherited = {
            "type": started.workflow_type, "run_timeout": started.run_timeout, "task_timeout": started.task_timeout
        }  # fmt: skip
        fields = {**fields, **{name: fields[name] or value for name, value in inherited.items()}}
    return dataclasses.replace(command, fields=fields)


def activity_timeouts(fields: Mapping[str, Json], run_timeout: float) -> dict[str, Json]:
    """Fill in and cap an activity's timeouts.

    Source: the server's validation of ScheduleActivityTask attributes (service/history, command attribute validator).
    """
    close, start, run = fields["schedule_to_close"], fields["schedule_to_start"], fields["start_to_close"]
    if close:
        start = min(start, close) if start else close
        run = min(run, close) if run else close
    elif run:
        close = run_timeout
        start = start or run_timeout
    if run_timeout:
        close, start, run = (min(value, run_timeout) for value in (close, start, run))
    heartbeat = min(fields["heartbeat"], run) if run else fields["heartbeat"]
    return {
        **fields,
        "schedule_to_close": close,
        "schedule_to_start": start,
        "start_to_close": run,
        "heartbeat": heartbeat,
    }
