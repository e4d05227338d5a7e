"""Errors reach Temporal with a stable name, the right retry flag and their details."""

from collections.abc import Iterator
from datetime import timedelta

import asyncpg
import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError

from system import errors
from system.details import Refusal
from system.errors import Error
from system.failures import FailureDetails, details_of, failure_of, kinds
from system.interceptors import translate

WITH_DETAILS: tuple[Error, ...] = (
    errors.BreakerOpen("payment", 2.5),
    errors.ProviderUnanswered("no answer", provider="payment", status=503),
    errors.PayloadLost("ab12", "not in the database"),
    errors.LoadInProgress("wait", workflow_id="w"),
    errors.UndoRefused("not yet", error="DataRefused", after=timedelta(seconds=3)),
    errors.StillInDoubt("capture_payment", "arrange_shipment"),
    errors.Superseded("w", "run", "a", "ended before"),
    errors.SourceError("file", "a.csv"),
    errors.SourceMissing("gone", "a.csv"),
    errors.SourceUnreadable("torn"),
    errors.SourceChanged("changed", "a.csv", "b.csv"),
    errors.ScheduleUnknown("nightly"),
    errors.BatchRefused("unknown handler", item="a"),
    errors.CancelRefused("it has ended", item="a", state="done"),
    errors.TaskRejected("no number", field="amount"),
    errors.AccessRefused("not read", wanted="/etc/passwd", setting="TASK_FILES"),
    errors.DataRefused("refused", Refusal(sqlstate="23514", table="stock", column="", constraint="never_negative")),
    errors.LoadClosed("too late", state="failed"),
    errors.ReconciliationFailed("load 1", "one row is missing"),
)
"""One error of each class that declares details."""


def test_names_are_unique_and_stated() -> None:
    """Each error states a name of its own, which the wire keeps."""
    names = [one.name for one in kinds(Error)]
    assert len(names) == len(set(names))


def test_every_error_says_what_to_do() -> None:
    """Each error has a remedy, its own or that of the error it is a kind of."""
    assert [one.name for one in kinds(Error) if one.remedy == Error.remedy] == []


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """The drawing in the module's docstring shows every class, whether it is retried, and its details."""
    assert "\n".join(("Error:", *(f"    {line}" for line in drawn(Error)))) + "\n\n" in str(errors.__doc__)


def drawn(kind: type[Error], lead: str = "") -> Iterator[str]:
    below = kind.__subclasses__()
    for one in below:
        branch, under = ("└── ", "    ") if one is below[-1] else ("├── ", "│   ")
        details = one.details_type()
        named = f"{lead}{branch}{one.__name__}"
        retried = "retried" if one.retryable else "never retried"
        yield f"{named:<32}{retried:<16}{', '.join(details.model_fields) if details else ''}".rstrip()
        yield from drawn(one, lead + under)


def test_details_are_tried_of_every_class_that_has_them() -> None:
    """None is forgotten below."""
    assert {type(one) for one in WITH_DETAILS} == {one for one in kinds(Error) if one.details_type()}


@pytest.mark.parametrize("error", WITH_DETAILS, ids=lambda error: error.name)
def test_details_come_back_as_they_were(error: Error) -> None:
    """Through Temporal's own converter: the same record, beside the name and whether it may be retried."""
    sent = Failure()
    converter = pydantic_data_converter
    converter.failure_converter.to_failure(failure_of(error, attempt=3), converter.payload_converter, sent)
    received = converter.failure_converter.from_failure(sent, converter.payload_converter)
    assert isinstance(received, ApplicationError)
    assert (received.type, received.non_retryable) == (error.name, not error.retryable)
    carried = FailureDetails.model_validate(received.details[0])
    assert (carried.attempt, carried.remedy) == (3, error.remedy)
    assert type(error.details) is error.details_type()
    assert details_of(error.name, carried.values) == error.details


def test_details_of_another_version_are_left_as_they_are() -> None:
    """So are those of an error that nobody here knows, or that has none."""
    assert details_of("CancelRefused", {"was": "done"}) is None
    assert details_of("Elsewhere", {"item": "a"}) is None
    assert details_of("NotMigrated", {}) is None


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ConnectionRefusedError(), errors.Unavailable),
        (TimeoutError(), errors.Unavailable),
        (asyncpg.AdminShutdownError("x"), errors.Unavailable),
        (asyncpg.QueryCanceledError("x"), errors.Unavailable),
        (asyncpg.LockNotAvailableError("x"), errors.Unavailable),
        (asyncpg.DeadlockDetectedError("x"), errors.Unavailable),
        (asyncpg.IdleInTransactionSessionTimeoutError("x"), errors.Unavailable),
        (asyncpg.ConnectionDoesNotExistError("x"), errors.Unavailable),
        (asyncpg.UndefinedTableError("x"), errors.NotMigrated),
        (asyncpg.DatetimeFieldOverflowError("x"), errors.SchemaMismatch),
        (asyncpg.TooManyColumnsError("x"), errors.SchemaMismatch),
        (asyncpg.ProgramLimitExceededError("x"), errors.SchemaMismatch),
        (errors.LoadClosed("x", state="failed"), errors.LoadClosed),
        (KeyError("x"), type(None)),
    ],
)
def test_library_errors_become_ours(raised: Exception, expected: type) -> None:
    """A link that is down is retried, wrong data is not, and a defect stays as it is."""
    assert type(translate(raised, "pipeline.load_chunk")) is expected


def test_what_postgresql_refuses_is_named_by_the_domain() -> None:
    """Rows that do not fit their dataset are the schema's matter; a constraint of an order is not."""
    refused = asyncpg.CheckViolationError("stock")
    assert type(translate(refused, "pipeline.load_chunk")) is errors.SchemaMismatch
    assert type(translate(refused, "orders.reserve_stock")) is errors.DataRefused


async def test_what_postgresql_refused_is_told_by_its_parts(connection: asyncpg.Connection) -> None:
    """The constraint, its table and the code, so that nobody has to read the message for them."""
    await connection.execute(
        "CREATE TEMPORARY TABLE shelves (on_hand integer CONSTRAINT never_negative CHECK (on_hand >= 0))"
    )
    with pytest.raises(asyncpg.CheckViolationError) as raised:
        await connection.execute("INSERT INTO shelves VALUES (-1)")
    told = translate(raised.value, "orders.reserve_stock")
    assert told is not None
    assert told.details == Refusal(sqlstate="23514", table="shelves", column="", constraint="never_negative")
