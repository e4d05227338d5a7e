"""What became of the rows that a run loaded: how many were expected, loaded and rejected, and why."""

from collections.abc import Iterable

from msgspec import Struct

from reports.reconciliation import Rows

LOADED, REJECTED = "loaded", "rejected"
"""What a fact calls the rows that got in, and those that did not."""


class Loaded(Struct, frozen=True, kw_only=True):
    """The rows of one scenario. Each that was expected is loaded, rejected for a reason, or missing."""

    scenario: str
    expected: int
    loaded: int
    rejected: int
    missing: int
    surplus: int
    reasons: dict[str, int]
    """Rejected rows by reason, most frequent first."""

    @property
    def unexplained(self) -> int:
        """Rejected rows for which no reason is told."""
        return max(0, self.rejected - sum(self.reasons.values()))

    @property
    def complete(self) -> bool:
        """Whether every row is accounted for."""
        return not (self.missing or self.surplus or self.unexplained)


def loaded_data(rows: Iterable[Rows]) -> list[Loaded]:
    """Of each scenario whose facts tell rejected rows from others; those of the others are not data that is loaded."""
    return [_of(each) for each in rows if each.reasons or {LOADED, REJECTED} <= each.values.keys()]


def _of(rows: Rows) -> Loaded:
    rejected = rows.values.get(REJECTED, sum(rows.reasons.values()))
    return Loaded(
        scenario=rows.scenario,
        expected=rows.expected,
        loaded=rows.values.get(LOADED, max(0, rows.found - rejected)),
        rejected=rejected,
        missing=rows.missing,
        surplus=rows.surplus,
        reasons=rows.reasons,
    )
