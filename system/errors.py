"""Every error the system raises on purpose.

Error:
    ├── SettingsError            never retried
    ├── NotMigrated              never retried
    ├── Unavailable              retried
    │   ├── BreakerOpen          retried, once the breaker lets a call through again
    │   └── ProviderUnanswered   retried, by the same idempotency key
    ├── PayloadLost              retried
    ├── UndoRefused              retried, where a provider refused by another idempotency key
    ├── LoadInProgress           retried
    ├── LetterNotKept            retried
    ├── LetterError              never retried
    ├── ControlRefused           never retried
    ├── Superseded               never retried
    ├── StillInDoubt             never retried
    ├── InputError               never retried
    │   ├── SourceMissing
    │   ├── SourceUnreadable
    │   ├── SourceChanged
    │   ├── ScheduleUnknown
    │   └── SchemaMismatch
    ├── DeclarationRefused       never retried
    ├── BatchRefused             never retried
    ├── TaskRejected             never retried
    ├── DataRefused              never retried
    ├── LoadClosed               never retried
    └── ReconciliationFailed     never retried

``name`` is the type Temporal sees: it stays the same when a class is renamed. ``remedy`` says what the operator should
do; it travels with the failure, and is shown with the dead letter.

"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import Field

from system.records import Record


class FailureDetails(Record):
    """What a failure carries beside its type and its message."""

    attempt: int
    """Of the activity; 1 for the first."""
    remedy: str
    values: Mapping[str, Any] = Field(default_factory=dict)
    """The error's own details."""


class Error(Exception):
    """Base of all; never raised itself."""

    name: ClassVar[str] = "Error"
    retryable: ClassVar[bool] = False
    remedy: ClassVar[str] = "look at the message"

    def __init__(self, message: str, details: Record | None = None) -> None:
        super().__init__(message)
        self.details = details

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

    def __init__(self, provider: str, seconds: float) -> None:
        super().__init__(f"calls to {provider} are held back for another {seconds:.1f} s: too many have failed")
        self._seconds = seconds

    @property
    def retry_after(self) -> timedelta:
        """When the breaker lets a call through again."""
        return timedelta(seconds=self._seconds)


class PayloadLost(Error):
    """A payload that a history refers to is not in the database, or not as it was stored."""

    name = "PayloadLost"
    # A workflow task that failed for good would end the workflow without its compensations.
    retryable = True
    remedy = (
        "make sure that workers and clients use one database, then restore the row of `payloads` from a backup: "
        "what waits for it goes on by itself; else terminate the workflow"
    )


class LoadInProgress(Error):
    """Another load is at the same file."""

    name = "LoadInProgress"
    retryable = True
    remedy = (
        "nothing while that load runs, since the attempt is retried; if its workflow is gone, start it again under "
        "the same id, or load the file with `again`"
    )


class ProviderUnanswered(Unavailable):
    """A provider gave no answer that tells whether a call took effect."""

    name = "ProviderUnanswered"
    remedy = "look at the provider; the call is made again by the same key, so it takes effect once"


class UndoRefused(Error):
    """What must not stand is not taken back: a provider refuses, or a compensation has failed for good."""

    name = "UndoRefused"
    retryable = True
    remedy = "settle what the message says; the attempt that is retried then takes back what is left"

    def __init__(self, message: str, *, after: timedelta | None = None) -> None:
        super().__init__(message)
        self._after = after

    @property
    def retry_after(self) -> timedelta | None:
        """When to try again, as the one who raised it would have it."""
        return self._after


class StillInDoubt(Error):
    """An order has ended, and its provider knows nothing of a call that was sent for it."""

    name = "StillInDoubt"
    remedy = "ask the provider for the order's id; what stands there has to be voided, refunded or cancelled with it"


class Superseded(Error):
    """The step was undone before this attempt could write: it has written nothing."""

    name = "Superseded"
    remedy = "nothing: a late attempt woke up, and changed nothing"


class InputError(Error):
    """What was handed in cannot be used; base of the errors that name why."""

    name = "InputError"
    remedy = "correct the input as the message says, and start again under a new id"


class SourceMissing(InputError):
    """The source file is not there, or may not be read, where the worker runs."""

    name = "SourceMissing"
    remedy = "check the path and the storage that workers share, then load again"


class SourceUnreadable(InputError):
    """The source is corrupt, truncated, or not in the declared encoding."""

    name = "SourceUnreadable"
    remedy = "fetch the file again, or correct the schema"


class SourceChanged(InputError):
    """The file changed after the load began."""

    name = "SourceChanged"
    remedy = "load it anew, under a new workflow id"


class SchemaMismatch(InputError):
    """File, schema and database table do not fit together."""

    name = "SchemaMismatch"
    remedy = "correct the schema, or load into another dataset"


class ScheduleUnknown(InputError):
    """There is no schedule of this id."""

    name = "ScheduleUnknown"
    remedy = "see `python -m system schedules list`"


class DeclarationRefused(Error):
    """A file of schedules is wrong somewhere."""

    name = "DeclarationRefused"
    remedy = "correct the entries as the message says, and apply the file again"


class BatchRefused(Error):
    """The items of a batch cannot be taken on: nothing of it is stored."""

    name = "BatchRefused"
    remedy = "correct the item as the message says, and submit the batch under a new id"


class TaskRejected(Error):
    """A task's handler cannot do it with this input, and never will."""

    name = "TaskRejected"
    remedy = "correct the item's input as the message says, and submit it in a new batch"


class DataRefused(Error):
    """PostgreSQL refused what a step would write: a value it cannot hold, or a constraint."""

    name = "DataRefused"
    remedy = "look at the value or the constraint that the message names; if the input is right, report a defect"


class LoadClosed(Error):
    """The load is already cancelled or failed: a late attempt changed nothing."""

    name = "LoadClosed"
    remedy = "to load again, use a new workflow id"


class ReconciliationFailed(Error):
    """The database does not hold what was read."""

    name = "ReconciliationFailed"
    remedy = "keep the load, look at the chunks named, and report a defect"


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
