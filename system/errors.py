"""Every error the system raises on purpose: whether Temporal may retry it, and what it tells beside its message.

Error:
    ├── SettingsError               never retried
    ├── NotMigrated                 never retried
    ├── Unavailable                 retried
    │   ├── BreakerOpen             retried         provider, seconds
    │   └── ProviderUnanswered      retried         provider, status
    ├── PayloadLost                 retried         digest
    ├── LoadInProgress              retried         workflow_id
    ├── UndoRefused                 retried         error, seconds
    ├── StillInDoubt                never retried   calls
    ├── Superseded                  never retried   workflow_id, step, item
    ├── InputError                  never retried
    │   ├── SourceError             never retried   files
    │   │   ├── SourceMissing       never retried   files
    │   │   ├── SourceUnreadable    never retried   files
    │   │   └── SourceChanged       never retried   files
    │   ├── SchemaMismatch          never retried
    │   ├── IdTaken                 never retried
    │   └── ScheduleUnknown         never retried   schedule
    ├── DeclarationRefused          never retried
    ├── BatchRefused                never retried   item
    ├── CancelRefused               never retried   item, state
    ├── TaskRejected                never retried   field
    ├── AccessRefused               never retried   wanted, setting
    ├── DataRefused                 never retried   sqlstate, table, column, constraint
    ├── LoadClosed                  never retried   state
    ├── ReconciliationFailed        never retried   wrong
    ├── LetterNotKept               retried
    ├── LetterError                 never retried
    └── ControlRefused              never retried

``name`` is the type Temporal sees: it stays the same when a class is renamed. ``remedy`` says what the operator should
do; it travels with the failure and the details, and is shown with the dead letter. Where there are no details, the
message says all that anybody acts on.

"""

from __future__ import annotations

import typing
from datetime import timedelta
from typing import ClassVar

from system.details import (
    Access,
    Discrepancies,
    Doubtful,
    HeldBack,
    ItemState,
    LoadState,
    OtherLoad,
    Payload,
    Refusal,
    RefusedItem,
    RejectedField,
    Sources,
    Standing,
    Step,
    Unanswered,
    Unknown,
)
from system.records import Record


class Error(Exception):
    """Base of all; never raised itself."""

    name: ClassVar[str] = "Error"
    retryable: ClassVar[bool] = False
    remedy: ClassVar[str] = "look at the message"
    details: Record | None
    """What a program may want to know; a class that has them says here which record they are."""

    def __init__(self, message: str, details: Record | None = None) -> None:
        super().__init__(message)
        self.details = details

    @classmethod
    def details_type(cls) -> type[Record] | None:
        """Return the record that the class declares for its details; None where it declares none."""
        declared = typing.get_type_hints(cls)["details"]
        return declared if isinstance(declared, type) else None

    @property
    def retry_after(self) -> timedelta | None:
        """How long Temporal should wait before the next attempt; None leaves it to the retry policy."""
        return None


class SettingsError(Error):
    """An environment variable is missing or wrong."""

    name = "SettingsError"
    remedy = "set the variable as the message says, and start again"


class NotMigrated(Error):
    """The database lacks tables this version needs."""

    name = "NotMigrated"
    remedy = "run `python -m system migrate`"


class Unavailable(Error):
    """A service did not answer."""

    name = "Unavailable"
    retryable = True
    remedy = "nothing if the service comes back, since the attempt is retried; else look at that service"


class BreakerOpen(Unavailable):
    """Calls to a provider are held back, because too many of them failed."""

    name = "BreakerOpen"
    remedy = "look at the provider; calls go on by themselves once one of them succeeds"
    details: HeldBack

    def __init__(self, provider: str, seconds: float) -> None:
        super().__init__(
            f"calls to {provider} are held back for another {seconds:.1f} s: too many have failed",
            HeldBack(provider=provider, seconds=seconds),
        )

    @property
    def retry_after(self) -> timedelta:
        """When the breaker lets a call through again."""
        return timedelta(seconds=self.details.seconds)


class ProviderUnanswered(Unavailable):
    """A provider gave no answer that tells whether a call took effect."""

    name = "ProviderUnanswered"
    remedy = "look at the provider; the call is made again by the same key, so it takes effect once"
    details: Unanswered

    def __init__(self, message: str, *, provider: str, status: int | None = None) -> None:
        super().__init__(message, Unanswered(provider=provider, status=status))


class PayloadLost(Error):
    """A payload that a history refers to is not in the database, or not as it was stored."""

    name = "PayloadLost"
    details: Payload
    # A workflow task that failed for good would end the workflow without its compensations.
    retryable = True
    remedy = (
        "make sure that workers and clients use one database, then restore the row of `payloads` from a backup: "
        "what waits for it goes on by itself; else terminate the workflow"
    )

    def __init__(self, digest: str, problem: str) -> None:
        super().__init__(f"payload {digest} is {problem}", Payload(digest=digest))


class LoadInProgress(Error):
    """Another load is at the same file."""

    name = "LoadInProgress"
    retryable = True
    details: OtherLoad
    remedy = (
        "nothing, since the attempt is retried until the workflow of that load has ended, however it ends; to have it "
        "end, cancel it"
    )

    def __init__(self, message: str, *, workflow_id: str) -> None:
        super().__init__(message, OtherLoad(workflow_id=workflow_id))


class UndoRefused(Error):
    """What must not stand is not taken back: a provider refuses, or a compensation has failed for good."""

    name = "UndoRefused"
    retryable = True
    remedy = "settle what the message says; the attempt that is retried then takes back what is left"
    details: Standing

    def __init__(self, message: str, *, error: str = "", after: timedelta | None = None) -> None:
        super().__init__(message, Standing(error=error, seconds=after.total_seconds() if after is not None else None))

    @property
    def retry_after(self) -> timedelta | None:
        """When to try again, as the one who raised it would have it."""
        return None if self.details.seconds is None else timedelta(seconds=self.details.seconds)


class StillInDoubt(Error):
    """An order has ended, and its provider knows nothing of a call that was sent for it."""

    name = "StillInDoubt"
    remedy = (
        "nothing where the maintenance schedules are applied, since the provider is asked again until it knows; else "
        "redrive this letter; if the provider says that nothing will come, cancel the workflow it was redriven as, "
        "which ends the doubt: to discard the letter asks nobody any more, and leaves the order in doubt"
    )
    details: Doubtful

    def __init__(self, *calls: str) -> None:
        super().__init__(f"the provider does not know of {', '.join(calls)}, which was sent", Doubtful(calls=calls))


class Superseded(Error):
    """The step was undone before this attempt could write: it has written nothing."""

    name = "Superseded"
    remedy = "nothing: a late attempt woke up, and changed nothing"
    details: Step

    def __init__(self, workflow_id: str, step: str, item: str, why: str) -> None:
        of_item = f" {item!r}" if item else ""
        super().__init__(f"{step}{of_item} of {workflow_id} {why}", Step(workflow_id=workflow_id, step=step, item=item))


class InputError(Error):
    """What was handed in cannot be used; base of the errors that name why."""

    name = "InputError"
    remedy = "correct the input as the message says, and start again under a new id"


class SourceError(InputError):
    """Base of the errors that are about files."""

    name = "SourceError"
    details: Sources

    def __init__(self, message: str, *files: str) -> None:
        super().__init__(message, Sources(files=files))


class SourceMissing(SourceError):
    """The source file is not there, or may not be read, where the worker runs."""

    name = "SourceMissing"
    remedy = "check the path and the storage that workers share, then load again"


class SourceUnreadable(SourceError):
    """The source is corrupt, truncated, or not in the declared encoding."""

    name = "SourceUnreadable"
    remedy = "fetch the file again, or correct the schema"


class SourceChanged(SourceError):
    """The file changed after the load began."""

    name = "SourceChanged"
    remedy = "load it anew, under a new workflow id"


class SchemaMismatch(InputError):
    """File, schema and database table do not fit together."""

    name = "SchemaMismatch"
    remedy = "correct the schema, or load into another dataset"


class IdTaken(InputError):
    """A workflow of another request has this id."""

    name = "IdTaken"
    remedy = "start it under another id"


class ScheduleUnknown(InputError):
    """There is no schedule of this id."""

    name = "ScheduleUnknown"
    remedy = "see `python -m system schedules list`"
    details: Unknown

    def __init__(self, schedule: str) -> None:
        super().__init__(
            f"there is no schedule {schedule!r}: see `python -m system schedules list`", Unknown(schedule=schedule)
        )


class DeclarationRefused(Error):
    """A file of schedules is wrong somewhere."""

    name = "DeclarationRefused"
    remedy = "correct the entries as the message says, and apply the file again"


class BatchRefused(Error):
    """The items of a batch cannot be taken on: nothing of it is stored."""

    name = "BatchRefused"
    remedy = "correct the item as the message says, and submit the batch under a new id"
    details: RefusedItem

    def __init__(self, message: str, *, item: str | None = None) -> None:
        super().__init__(message, RefusedItem(item=item))


class CancelRefused(Error):
    """What was to be cancelled is not there, or has ended."""

    name = "CancelRefused"
    remedy = "nothing was changed: see how far it is with `python -m system tasks progress ID`"
    details: ItemState

    def __init__(self, message: str, *, item: str | None, state: str | None) -> None:
        super().__init__(message, ItemState(item=item, state=state))


class TaskRejected(Error):
    """A task's handler cannot do it with this input, and never will."""

    name = "TaskRejected"
    remedy = "correct the item's input as the message says, and submit it in a new batch"
    details: RejectedField

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message, RejectedField(field=field))


class AccessRefused(Error):
    """A task may not reach this file or this host: workers are not told that it may."""

    name = "AccessRefused"
    remedy = "have workers started with the variable that the message names, or correct the item, in a new batch"
    details: Access

    def __init__(self, message: str, *, wanted: str, setting: str) -> None:
        super().__init__(message, Access(wanted=wanted, setting=setting))


class DataRefused(Error):
    """PostgreSQL refused what a step would write: a value it cannot hold, or a constraint."""

    name = "DataRefused"
    remedy = "look at the value or the constraint that the message names; if the input is right, report a defect"
    details: Refusal

    def __init__(self, message: str, refusal: Refusal) -> None:
        super().__init__(message, refusal)


class LoadClosed(Error):
    """The load is already cancelled or failed, or another has its files: a late attempt changed nothing."""

    name = "LoadClosed"
    remedy = "to load again, use a new workflow id"
    details: LoadState

    def __init__(self, message: str, *, state: str) -> None:
        super().__init__(message, LoadState(state=state))


class ReconciliationFailed(Error):
    """The database does not hold what was read."""

    name = "ReconciliationFailed"
    remedy = "keep the rows as they are, look at what the message names, and report a defect"
    details: Discrepancies

    def __init__(self, what: str, *wrong: str) -> None:
        super().__init__(f"{what}: {'; '.join(wrong)}", Discrepancies(wrong=wrong))


class LetterNotKept(Error):
    """A dead letter could not be written; trying goes on until it can."""

    name = "LetterNotKept"
    retryable = True
    remedy = "look at the database, and whether it is migrated: the workflow closes once its letter is kept"


class LetterError(Error):
    """What was asked of dead letters cannot be done."""

    name = "LetterError"
    remedy = (
        "see which letters there are, and in which state, with `python -m system dead-letters list`, and what was done "
        "with one with `python -m system dead-letters inspect ID`"
    )


class ControlRefused(Error):
    """What was asked to be done to workflows is not done."""

    name = "ControlRefused"
    remedy = (
        "nothing was changed: see what the query finds with `python -m system control preview ACTION --query Q`, "
        "and repeat with the token it shows; what was done before: `python -m system control show`"
    )
