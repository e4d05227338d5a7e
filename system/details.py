"""What errors tell a program, beside the message for people: one record each."""

from __future__ import annotations

from system.records import Record


class HeldBack(Record):
    """Calls to a provider that the breaker does not let through."""

    provider: str
    seconds: float
    """Until it lets one through again."""


class Unanswered(Record):
    """A call that may have taken effect."""

    provider: str
    status: int | None
    """Of the HTTP answer; None where there was none."""


class Payload(Record):
    """A payload that travels by reference."""

    digest: str
    """SHA-256 of its content, in hexadecimal."""


class OtherLoad(Record):
    """The load that is at the same file."""

    workflow_id: str
    """Empty where it was gone already."""


class Standing(Record):
    """What keeps a compensation from being done."""

    error: str
    """Name of the final error it met; empty where a provider refuses."""
    seconds: float | None
    """Until it is tried again, as the one who raised it would have it."""


class Doubtful(Record):
    """Calls of which nobody knows whether they took effect."""

    calls: tuple[str, ...]
    """The steps they belong to."""


class Step(Record):
    """A step of a workflow, as claims and effects name it."""

    workflow_id: str
    step: str
    item: str
    """Of a step that is done for many things; else empty."""


class Sources(Record):
    """The files that it is about."""

    files: tuple[str, ...]
    """Empty where whoever raised it had only their content."""


class Unknown(Record):
    """A schedule that is not there."""

    schedule: str


class RefusedItem(Record):
    """Why a batch is refused."""

    item: str | None
    """The first item that will not do; None where it is the batch itself."""


class ItemState(Record):
    """What an order to cancel met."""

    item: str | None
    """None where all of them were to be cancelled."""
    state: str | None
    """Of the item, or else of the batch; None where the batch has no such item."""


class RejectedField(Record):
    """What of a task's input will not do."""

    field: str
    """Empty where it is no single one."""


class Access(Record):
    """What a task wanted to reach."""

    wanted: str
    """A path, or a host."""
    setting: str
    """The environment variable that would allow it."""


class Refusal(Record):
    """What PostgreSQL says of what it refused; empty where it does not say."""

    sqlstate: str
    table: str
    column: str
    constraint: str


class LoadState(Record):
    """What became of a load."""

    state: str
    """As in the database, or ``gone``."""


class Discrepancies(Record):
    """What does not add up."""

    wrong: tuple[str, ...]
