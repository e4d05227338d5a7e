"""What the server makes of a command before it records it, so that both sides can be compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.replay.commands import Command, Json

TASK_TIMEOUT = 10.0
"""Seconds a child's workflow tasks may take where nothing is given: the server's default."""


@dataclass(frozen=True, kw_only=True)
class Started:
    """What a run has that its commands inherit; seconds, zero for none."""

    workflow_type: str
    run_timeout: float
    task_timeout: float
    memo: Mapping[str, Json] = field(default_factory=dict)
    """That it was started with: what it changed of it is not handed over."""
    search_attributes: Mapping[str, Json] = field(default_factory=dict)
    """As they are at its end."""


def as_served(command: Command, started: Started) -> Command:
    """Fill in what the server fills in."""
    fields: Mapping[str, Json] = command.fields
    if command.kind == "activity":
        fields = activity_timeouts(fields, started.run_timeout)
    elif command.kind == "child workflow":
        fields = {**fields, "task_timeout": fields["task_timeout"] or TASK_TIMEOUT}
    elif command.kind == "Nexus operation":
        fields = nexus_timeouts(fields, started.run_timeout)
    elif command.kind == "continue as new":
        inherited = {
            "type": started.workflow_type,
            "run_timeout": started.run_timeout,
            "task_timeout": started.task_timeout,
            "memo": started.memo,
            "search_attributes": started.search_attributes,
        }
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


def nexus_timeouts(fields: Mapping[str, Json], run_timeout: float) -> dict[str, Json]:
    """Cap a Nexus operation's timeouts: the whole by what the run has, its parts by the whole. Seen at the server."""
    close = _capped(fields["schedule_to_close"] or run_timeout, run_timeout)
    parts = {name: _capped(fields[name], close) for name in ("schedule_to_start", "start_to_close")}
    return {**fields, "schedule_to_close": close, **parts}


def _capped(timeout: float, limit: float) -> float:
    return min(timeout, limit) if limit else timeout
