"""What goes over the wire: one frozen record in, one out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from system.records import Record, Request

KEEP = "dead_letters.keep"
SETTLE = "dead_letters.settle"
SWEEP = "dead_letters.sweep"
SUMMARISE = "dead_letters.summarise"
SELECT = "dead_letters.select"
REDRIVE_ONE = "dead_letters.redrive_one"
REDRIVE = "dead_letters.Redrive"
DIGEST = "dead_letters.Digest"
REDRIVEN_FROM = "dead_letters.redriven_from"
"""The memo of a redriven workflow: the Origin of it."""

TERMINATED = "Terminated"
TIMED_OUT = "TimedOut"

State = Literal["open", "redriven", "resolved", "discarded"]


class Origin(Record):
    """The letter a workflow was redriven from."""

    letter: int
    depth: int = 1
    """How many redrives lie between the first failure and this workflow."""


class Failure(Record):
    """What failed for good: an activity, or a workflow by itself."""

    workflow_id: str
    run_id: str
    workflow_type: str
    activity_id: str = ""
    """Empty where the workflow failed by itself."""
    activity_type: str = ""
    scheduled_event: int | None = None
    """The event of the run's history that holds the activity's input; None where no event does."""
    item: str = ""
    """Which item of a batch the activity worked on."""
    attempts: int | None = None
    """None where the failure does not tell."""
    error_type: str
    message: str
    remedy: str = ""
    details: Mapping[str, Any] = Field(default_factory=dict)
    ended_workflow: bool
    """Whether the workflow failed by it; else it caught the failure and went on."""
    child: str = ""
    """The id of the child workflow whose failure this one is."""
    parent: str = ""
    """The id of the workflow whose child this one is."""
    origin: Origin | None = None
    failed_at: datetime


class Kept(Record):
    """The letter that holds a failure."""

    letter: int
    new: bool


class Settlement(Record):
    """How a workflow ended that stands for one that failed: its redrive, or its new run after a reset."""

    letter: int | None
    """The letter it was redriven from; None for a reset."""
    outcome: Literal["completed", "cancelled"]
    workflow_id: str
    run_id: str


class Settled(Record):
    """The letters that are settled by it."""

    letters: tuple[int, ...]


class Letter(Record):
    """A dead letter as the database holds it."""

    id: int
    workflow_id: str
    run_id: str
    workflow_type: str
    activity_id: str
    activity_type: str
    scheduled_event: int | None
    item: str
    attempts: int | None
    error_type: str
    message: str
    remedy: str
    details: Mapping[str, Any]
    ended_workflow: bool
    child: str
    parent: str
    fingerprint: str
    state: State
    redriven_from: int | None
    depth: int
    redrive_workflow_id: str | None
    redrive_run_id: str | None
    failed_at: datetime
    recorded_at: datetime


class Event(Record):
    """Something that was done with a letter."""

    action: Literal["redriven", "refused", "resolved", "discarded"]
    by: str
    reason: str
    at: datetime


class Filter(Record):
    """Which letters; what is left out does not matter."""

    state: State | None = None
    fingerprint: str | None = None
    workflow_id: str | None = None
    workflow_type: str | None = None
    activity_type: str | None = None
    error_type: str | None = None
    since: datetime | None = None
    """Failed at this time or later."""
    until: datetime | None = None
    """Failed before this time."""


class Group(Record):
    """Letters of one fingerprint: the same fault, whatever the ids in it."""

    fingerprint: str
    error_type: str
    where: str
    """The activity's type, or the workflow's."""
    message: str
    """Of the newest."""
    open: int
    total: int
    first_at: datetime
    last_at: datetime


class SweepRequest(Record):
    """Look for closed workflows that nobody kept a letter for."""

    overlap_seconds: float = Field(default=600.0, ge=0)
    """How far to look back beyond the last sweep: visibility lags behind."""


class Swept(Record):
    """What a sweep found."""

    since: datetime | None
    until: datetime
    closed: int
    """Workflows that failed, timed out or were terminated."""
    kept: int
    """Letters written for those that had none."""


class DigestReport(Record):
    """How things are with the dead letters."""

    taken_at: datetime
    swept: Swept
    states: Mapping[str, int]
    """Letters by state."""
    groups: tuple[Group, ...]
    """Those with open letters, the largest first."""


class DigestRequest(Request):
    """Sweep, then sum up."""

    groups: int = Field(default=20, ge=1, le=500)
    """At most so many groups."""
    sweep: SweepRequest = SweepRequest()


class SummaryRequest(Record):
    """Sum up after this sweep."""

    groups: int
    swept: Swept


class RedriveRequest(Request):
    """Redrive these letters, or the open ones of a filter."""

    by: str
    reason: str
    letters: tuple[int, ...] = Field(default=(), max_length=1000)
    filter: Filter | None = None
    per_second: int = Field(default=10, ge=1, le=50)
    progress: RedriveProgress | None = None
    """Where an earlier run of this workflow stood; set by the workflow itself."""


class RedriveProgress(Record):
    """How far a redrive has come."""

    after: int = 0
    """The letter it did last; letters are done in the order of their ids."""
    last: int | None = None
    """The newest letter there was at the start: letters that come of the redrive itself are left alone."""
    redriven: int = 0
    repeated: int = 0
    resolved: int = 0
    """Of which nothing had to be run again."""
    refused: int = 0
    refusals: tuple[Redriven, ...] = ()
    """The first of them."""
    paused: bool = False


class Selection(Record):
    """Ask for the next letters."""

    filter: Filter
    after: int
    last: int | None
    limit: int


class Selected(Record):
    """The ids of letters, in ascending order."""

    letters: tuple[int, ...]
    last: int


class RedriveOne(Record):
    """Redrive one letter."""

    letter: int
    by: str
    reason: str


class Redriven(Record):
    """What became of one letter's redrive."""

    letter: int
    outcome: Literal["redriven", "repeated", "resolved", "refused"]
    """Repeated: it had been redriven before. Resolved: what it is about is done all the same. Both start nothing."""
    workflow_id: str = ""
    run_id: str = ""
    reason: str = ""
    """Why it was refused, and what to do; or why there is nothing to do."""


RedriveRequest.model_rebuild()
RedriveProgress.model_rebuild()


class Inspection(Record):
    """Everything about one letter."""

    letter: Letter
    input: tuple[Any, ...] | None
    """What the activity, or the workflow, was given; None where the history does not have it any more."""
    input_note: str
    """Why there is none."""
    events: tuple[Event, ...]
    lineage: tuple[int, ...]
    """The letters it came of, the first failure first."""
    children: tuple[int, ...]
    """Letters of workflows that were redriven from it."""
