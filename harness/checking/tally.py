"""The invariant of a running total: it says what the entries add up to that it is made of."""

from collections import defaultdict

from msgspec import Struct

from harness.checking.invariants import Records, as_judgement
from harness.records.effects import Fact
from harness.records.verdicts import Finding, Judgement


class Tally(Struct, frozen=True, kw_only=True):
    """An invariant of a target's own: in each iteration, these parts of the totals add up to that value of the entries.

    Entries are facts of one step, such as reservations; totals are those of another, such as what a stock says is
    reserved. A value that a fact does not have is 0. Returns None for a run without totals.
    """

    name: str
    entries: str
    """The step whose facts are entries."""
    value: str
    totals: str
    """The step whose facts are totals."""
    parts: tuple[str, ...]

    def __call__(self, records: Records) -> Judgement | None:
        totals, entries = (_by_iteration(records, step) for step in (self.totals, self.entries))
        if not totals:
            return None
        findings = [found for key, mine in totals.items() for found in self._findings(mine, entries.get(key, []))]
        return as_judgement(self.name, len(totals), findings)

    def _findings(self, totals: list[Fact], entries: list[Fact]) -> list[Finding]:
        total = sum(fact.values.get(part, 0) for fact in totals for part in self.parts)
        must = sum(fact.values.get(self.value, 0) for fact in entries)
        if total == must:
            return []
        told = f"{' and '.join(self.parts)} add up to {total}, and the entries behind them to {must}"
        why = (
            "an update was lost: somebody wrote a number that was computed from what he had read, and another's came "
            "between; lock what is read before it is written, or add to it in the statement that writes"
            if total < must
            else "an entry was counted more than once, or is gone: write it in the transaction that counts it"
        )
        return [
            Finding(
                problem="lost" if total < must else "doubled",
                message=f"{told}: {why}",
                workflow_id=totals[0].workflow_id,
                step=totals[0].step,
                item=totals[0].item,
            )
        ]


def _by_iteration(records: Records, step: str) -> dict[tuple[str, int], list[Fact]]:
    found: dict[tuple[str, int], list[Fact]] = defaultdict(list)
    for fact in records.facts:
        if fact.step == step:
            found[fact.scenario, fact.iteration].append(fact)
    return found
