"""Every error the system raises on purpose.

Error:
    ├── SettingsError            never retried
    ├── NotMigrated              never retried
    ├── Unavailable              retried
    ├── InputError               never retried
    │   ├── SourceMissing
    │   ├── SourceUnreadable
    │   ├── SourceChanged
    │   └── SchemaMismatch
    ├── LoadClosed               never retried
    └── ReconciliationFailed     never retried

``name`` is the type Temporal sees: it stays the same when a class is renamed.

"""

from __future__ import annotations

from typing import ClassVar


class Error(Exception):
    """Base of all; never raised itself."""

    name: ClassVar[str] = "Error"
    retryable: ClassVar[bool] = False


class SettingsError(Error):
    """An environment variable is missing or wrong: set it as the message says and start again."""

    name = "SettingsError"


class NotMigrated(Error):
    """The database lacks tables this version needs: run ``python -m system migrate``."""

    name = "NotMigrated"


class Unavailable(Error):
    """A service did not answer: nothing to do if it comes back, the attempt is retried; else look at that service."""

    name = "Unavailable"
    retryable = True


class InputError(Error):
    """What was handed in cannot be loaded; base of the errors that name why."""

    name = "InputError"


class SourceMissing(InputError):
    """The source file is not there, or may not be read, where the worker runs: check the path and shared storage."""

    name = "SourceMissing"


class SourceUnreadable(InputError):
    """The source is corrupt, truncated, or not in the declared encoding: fetch it again, or correct the schema."""

    name = "SourceUnreadable"


class SourceChanged(InputError):
    """The file changed after the load began: load it anew, under a new workflow id."""

    name = "SourceChanged"


class SchemaMismatch(InputError):
    """File, schema and database table do not fit together: correct the schema, or load into another dataset."""

    name = "SchemaMismatch"


class LoadClosed(Error):
    """The load is already cancelled or failed: a late attempt changed nothing; to load again use a new workflow id."""

    name = "LoadClosed"


class ReconciliationFailed(Error):
    """The database does not hold what was read: keep the load, look at the chunks named, and report a defect."""

    name = "ReconciliationFailed"
