"""What goes over the wire: one frozen record in, one out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from system.records import Record, Request, Strict

BATCH = "tasks.Batch"
OPEN = "tasks.open"
TAKE = "tasks.take"
RUN = "tasks.run"
CANCEL_WAITING = "tasks.cancel_waiting"
RECONCILE = "tasks.reconcile"
FAIL = "tasks.fail"
PROGRESS = "tasks.progress"
CANCEL_ITEM = "tasks.cancel_item"
CANCEL_ALL = "tasks.cancel_all"

MOST_INLINE = 1_000
"""Items that may come with the request itself; more of them are submitted beforehand (``submission.submit``)."""
MOST_AT_ONCE = 64
"""Items in flight at the same time: what is in flight when a history is full still adds to it."""
REASON_CHARACTERS = 500
PRINTABLE = r"^[^\x00-\x1f]*$"
MOST_TENANT_BYTES = 64
"""Temporal's limit on a fairness key: a longer one would fail the workflow task that schedules the item, for ever."""

State = Literal["waiting", "running", "done", "failed", "cancelled", "skipped"]
"""``running`` is handed to the workflow; the last four are final."""


def _short(tenant: str) -> str:
    if len(tenant.encode()) > MOST_TENANT_BYTES:
        raise ValueError(f"expected at most {MOST_TENANT_BYTES} bytes of UTF-8")
    return tenant


Tenant = Annotated[str, Field(pattern=PRINTABLE), AfterValidator(_short)]


class Item(Strict):
    """One task of a batch."""

    key: str = Field(min_length=1, max_length=200, pattern=PRINTABLE)
    """Its name, unique in the batch."""
    handler: str
    input: dict[str, Any] = Field(default_factory=dict)
    needs: tuple[str, ...] = ()
    """Keys of items that must be done before."""
    priority: int = Field(default=3, ge=1, le=5)
    """1 goes first."""
    tenant: Tenant | None = None
    """Tenants of one priority share the workers by weight; the batch's own tenant where absent."""
    weight: float = Field(default=1.0, ge=0.001, le=1000)
    timeout: float | None = Field(default=None, gt=0, le=86_400)
    """Seconds an attempt may take; the handler's where absent."""
    attempts: int | None = Field(default=None, ge=1, le=1_000)
    """How often to try; the handler's where absent."""


class Counts(Record):
    """Items by their state."""

    waiting: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0


class Position(Record):
    """Where a batch has come to: what one run of its workflow hands to the next."""

    batch: int
    """Number of the batch in the database."""
    items: int
    takes: int = 0
    done: int = 0
    cached: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0


class BatchRequest(Request):
    """Process the batch that was submitted under the workflow's id, or the items that come along."""

    items: tuple[Item, ...] = Field(default=(), max_length=MOST_INLINE)
    tenant: Tenant = ""
    """Of items that name none."""
    concurrency: int = Field(default=32, ge=1, le=MOST_AT_ONCE)
    """Items in flight at the same time."""
    position: Position | None = None
    """Set when the workflow continues as new."""


class Runnable(Record):
    """An item whose turn has come."""

    key: str
    priority: int
    tenant: str | None
    weight: float
    timeout: float
    """Seconds."""
    attempts: int


class Ended(Record):
    """An item that came to an end without being done, as the workflow saw it."""

    key: str
    state: Literal["failed", "cancelled"]
    reason: str


class TakeRequest(Record):
    """Record what ended, and take the items whose turn it is."""

    batch: int
    number: int
    """Counts the takes of a batch: a repeat of the same number takes nothing more."""
    room: int
    ended: tuple[Ended, ...] = ()
    cancel_rest: bool = False
    """Cancel everything that is still waiting."""
    held: tuple[str, ...] | None = None
    """In a run that a reset made: what it has in hand. It counts anew from where it was reset to, so the numbers of its
    takes are those of takes of the run before; and what that run has taken since is nobody's."""


class Taken(Record):
    """What to run next, and what became of the rest with this take."""

    items: tuple[Runnable, ...] = ()
    more: bool = False
    """Whether others still wait for items they need."""
    takes: int = 0
    """After a reset: the highest number that a take has had, to count on from."""
    done: int = 0
    """Of those reported as ended: those that were done all the same, by an attempt given up as late."""
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0


class RunRequest(Record):
    """Run one item; handler and input are in the database, so that histories do not repeat them."""

    batch: int
    item: str


class Ran(Record):
    """An item was run; its output is in the database."""

    cached: bool
    """Whether the output was there already, for equal content."""


class CancelRequest(Record):
    """Cancel one item, by its key."""

    item: str
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class CancelWaiting(Record):
    """Cancel an item unless it has been taken."""

    batch: int
    item: str
    reason: str


class WasCancelled(Record):
    """What became of an item that was to be cancelled."""

    state: State | None
    """None where the batch has no such item."""
    skipped: int = 0
    """Items that needed it."""


class CancelAllRequest(Record):
    """Cancel every item that is not finished; the batch then ends as completed, with its report."""

    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class FailRequest(Record):
    """Close a batch that cannot go on."""

    batch: int
    reason: str


class ReconcileRequest(Record):
    """Prove the batch from the database, and close it."""

    batch: int
    cancelled: bool = False
    """Whether the workflow was cancelled."""


class BatchReport(Record):
    """What the database holds once the batch is closed; ``items`` is the sum of the next four."""

    batch: int
    items: int
    done: int
    failed: int
    cancelled: int
    skipped: int
    cached: int
    """Of those done."""


class Progress(Counts):
    """How far a batch has come."""

    state: Literal["opening", "running", "cancelling", "reconciling", "done", "cancelled", "failed"]
    items: int = 0
    cached: int = 0
    paused: bool = False
