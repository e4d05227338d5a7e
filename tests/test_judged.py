"""A run is planned before anything is started."""

import pytest
from small_target import small_target

from harness.target import Target
from temper.judged import Plan


@pytest.mark.parametrize(
    ("kind", "with_ledger", "without"),
    [
        ("chaos", True, True),
        ("scenario", False, True),
        ("load", False, True),
        ("demo", False, True),
        ("capacity", False, False),
        ("soak", False, False),
    ],
)
def test_the_journal_is_read_where_it_is_worth_it(target: Target, kind: str, with_ledger: bool, without: bool) -> None:
    """Under faults; else only of a target that keeps no ledger, and never for hours."""
    assert Plan(target=target, kind=kind, title="", seed=1).journal is with_ledger
    assert Plan(target=small_target(), kind=kind, title="", seed=1).journal is without
