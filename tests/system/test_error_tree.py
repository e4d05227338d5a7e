"""Errors reach Temporal with a stable name and the right retry flag."""

import asyncpg
import pytest

from system import errors
from system.interceptors import translate


def all_errors(root: type[errors.Error]) -> list[type[errors.Error]]:
    return [root, *(deeper for one in root.__subclasses__() for deeper in all_errors(one))]


def test_names_are_unique_and_stated() -> None:
    """Each error states a name of its own, which the wire keeps."""
    names = [one.name for one in all_errors(errors.Error)]
    assert len(names) == len(set(names))


def test_every_error_says_what_to_do() -> None:
    """Each error has a remedy, its own or that of the error it is a kind of."""
    assert [one.name for one in all_errors(errors.Error)[1:] if one.remedy == errors.Error.remedy] == []


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """The drawing in the module's docstring shows every class."""
    drawn = str(errors.__doc__)
    assert [one.__name__ for one in all_errors(errors.Error) if one.__name__ not in drawn] == []


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
        (errors.LoadClosed("x"), errors.LoadClosed),
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
