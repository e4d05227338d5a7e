"""The invariant of a cache: whoever asks is served what is kept of his own question."""

from msgspec import Struct

from harness.checking.invariants import Records, as_judgement
from harness.records.verdicts import Finding, Judgement


class ServedOwn(Struct, frozen=True, kw_only=True):
    """An invariant of a target's own: no fact tells of something that was served though it is another question's.

    Returns None for a run in which no cache could be asked, whose facts do not have the value.
    """

    name: str
    value: str
    """The value of a fact that counts what was served to it and is another's."""

    def __call__(self, records: Records) -> Judgement | None:
        served = [fact for fact in records.facts if self.value in fact.values]
        if not served:
            return None
        findings = [
            Finding(
                problem="of_another",
                message="its output is that of another input: a cache keeps both under one key",
                workflow_id=fact.workflow_id,
                step=fact.step,
                item=fact.item,
            )
            for fact in served
            if fact.values[self.value]
        ]
        return as_judgement(self.name, len(served), findings)
