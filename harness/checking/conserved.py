"""The invariant of what is moved about, and neither made nor lost: money in accounts, things in a store."""

from msgspec import Struct

from harness.checking.invariants import Records, as_judgement
from harness.records.effects import Fact
from harness.records.verdicts import Finding, Judgement


class Conserved(Struct, frozen=True, kw_only=True):
    """An invariant of a target's own: in each fact of one step, these values add up to that value.

    A value that a fact does not have is 0. Returns None for a run without such facts.
    """

    name: str
    step: str
    parts: tuple[str, ...]
    total: str = ""
    """The value they add up to; empty where they add up to 0."""

    def __call__(self, records: Records) -> Judgement | None:
        facts = [fact for fact in records.facts if fact.step == self.step]
        if not facts:
            return None
        findings = [self._finding(fact) for fact in facts if self._sum(fact) != self._must(fact)]
        return as_judgement(self.name, len(facts), findings)

    def _sum(self, fact: Fact) -> int:
        return sum(fact.values.get(part, 0) for part in self.parts)

    def _must(self, fact: Fact) -> int:
        return fact.values.get(self.total, 0)

    def _finding(self, fact: Fact) -> Finding:
        told = ", ".join(f"{part} {fact.values.get(part, 0)}" for part in self.parts)
        must = f"{self.total} {self._must(fact)}" if self.total else "0"
        return Finding(
            problem="not_conserved",
            message=f"{told} add up to {self._sum(fact)}, and must be {must}",
            workflow_id=fact.workflow_id,
            step=fact.step,
            item=fact.item,
        )
