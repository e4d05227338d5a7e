"""Every error the system raises on purpose.

Error:
    ├── SettingsError            never retried
    ├── NotMigrated              never retried
    ├── Unavailable              retried
    │   └── BreakerOpen          retried, once the breaker lets a call through again
    ├── Superseded               never retried
    ├── InputError               never retried
    │   ├── SourceMissing
    │   ├── SourceUnreadable
    │   ├── SourceChanged
    │   └── SchemaMismatch
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


class LoadClosed(Error):
    """The load is already cancelled or failed: a late attempt changed nothing."""

    name = "LoadClosed"
    remedy = "to load again, use a new workflow id"


class ReconciliationFailed(Error):
    """The database does not hold what was read."""

    name = "ReconciliationFailed"
    remedy = "keep the load, look at the chunks named, and report a defect"
