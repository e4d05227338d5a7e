"""What goes over the wire: the actions, and one frozen record in, one out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, JsonValue

from system.records import Record, Request

BULK = "control.Bulk"
PROGRESS = "control.progress"
LIST_TARGETS = "control.list_targets"
ACT = "control.act"
CLOSE = "control.close"

Status: TypeAlias = Literal[
    "running", "completed", "failed", "canceled", "terminated", "continued_as_new", "timed_out", "unknown"
]
OutcomeState: TypeAlias = Literal["pending", "done", "skipped", "failed", "cancelled"]
OperationState: TypeAlias = Literal["running", "done", "cancelled", "refused"]
Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"\S")]


class Pause(Record):
    """Start no step more, once what runs has ended."""

    kind: Literal["pause"] = "pause"


class Resume(Record):
    """Go on after a pause."""

    kind: Literal["resume"] = "resume"


class Cancel(Record):
    """Ask it to stop, and to take back what it must."""

    kind: Literal["cancel"] = "cancel"


class Terminate(Record):
    """End it at once; it takes nothing back."""

    kind: Literal["terminate"] = "terminate"


class Reset(Record):
    """Run it anew from a point in its history; a run that goes on is ended by that."""

    kind: Literal["reset"] = "reset"
    to: Literal["first_task", "last_task", "first_failure"] | Annotated[int, Field(ge=1)]
    """Of its workflow tasks the first, or the last; before the first activity that failed; or what came before this
    event."""


class Retry(Record):
    """Take up a run that failed, timed out or was terminated from just before that, or from its start."""

    kind: Literal["retry"] = "retry"


class Signal(Record):
    """Send it a signal."""

    kind: Literal["signal"] = "signal"
    name: Text
    argument: JsonValue = None
    """None sends no argument."""


Action: TypeAlias = Annotated[Pause | Resume | Cancel | Terminate | Reset | Retry | Signal, Field(discriminator="kind")]


class Target(Record):
    """A workflow's run, as it was found."""

    workflow_id: str
    run_id: str
    workflow_type: str
    status: Status
    started_at: datetime | None = None


class Outcome(Record):
    """What became of one target."""

    state: Literal["done", "skipped", "failed"]
    message: str = ""
    """Why it was skipped, or failed; else what there is to know."""
    new_run_id: str = ""
    """The run that a reset, or a start, made."""


class Preview(Record):
    """What a bulk operation would act on."""

    query: str
    count: int
    statuses: Mapping[str, int]
    """How many by status."""
    sample: tuple[Target, ...]
    token: str
    """By which the operation is allowed; it says for what query, action and count."""


class BulkRequest(Request):
    """Act on everything that a visibility query finds, as it was previewed."""

    by: Text
    reason: Text
    action: Action
    query: str = ""
    everything: bool = False
    """Act on every workflow there is, which an empty query does not mean."""
    token: str = ""
    """The preview's: without it nothing is done, nor if the query finds more by now."""
    sample: tuple[Target, ...] = ()
    """What the preview showed, for the record of who looked at what."""
    rate: float = Field(default=50.0, gt=0, le=500)
    """Targets a second, at most."""
    progress: Progress | None = None
    """Where an earlier run of this workflow stood; set by the workflow itself."""


class Progress(Record):
    """How far a bulk operation has come."""

    state: Literal["listing", "running", "done", "cancelled", "refused"] = "listing"
    message: str = ""
    targets: int = 0
    next: int = 1
    """The target that is next, counted from 1."""
    done: int = 0
    skipped: int = 0
    failed: int = 0
    paused: bool = False


class Listed(Record):
    """The targets are in the database; or why they are not."""

    targets: int
    refused: str = ""


class Round(Record):
    """Act on the targets with these numbers, both included."""

    first: int
    last: int
    order: BulkRequest


class Counts(Record):
    """How many targets came to which end."""

    done: int = 0
    skipped: int = 0
    failed: int = 0
    cancelled: int = 0
    """Not reached before the operation was cancelled."""
    seconds: float = 0.0
    """How long the last attempt took."""


class CloseRequest(Record):
    """Close the operation."""

    state: Literal["done", "cancelled"]


class BulkReport(Record):
    """What became of a bulk operation."""

    operation: str
    state: Literal["done", "cancelled", "refused"]
    message: str = ""
    targets: int = 0
    counts: Counts = Counts()


class Recorded(Record):
    """An outcome as the database holds it."""

    number: int
    workflow_id: str
    run_id: str
    workflow_type: str
    listed_status: str
    state: OutcomeState
    message: str
    new_run_id: str
    attempted_at: datetime | None
    ended_at: datetime | None


class Operation(Record):
    """An operation as the database holds it: who, why, what, when."""

    name: str
    kind: Literal["bulk", "single"]
    action: Action
    query: str
    by: str
    reason: str
    state: OperationState
    message: str
    targets: int
    previewed: int | None
    """How many the preview counted, for a bulk operation."""
    sample: tuple[Target, ...]
    """What the preview showed."""
    counts: Mapping[str, int]
    started_at: datetime
    closed_at: datetime | None


BulkRequest.model_rebuild()
