"""Caches: nobody is served what is kept of another question."""

from handwritten_records import GOOD, WORKFLOW, fact
from msgspec.structs import replace

from harness.checking.served import ServedOwn
from harness.records.effects import Fact
from harness.records.verdicts import Finding, Judgement, Verdict

OWN = ServedOwn(name="own", value="mixed up")


def served(item: str, another: int) -> Fact:
    return replace(fact(item), values={"mixed up": another})


def test_what_is_served_is_ones_own() -> None:
    """Facts without the value are not looked at."""
    judgement = OWN(replace(GOOD, facts=[fact(), served("a", 0), served("b", 0)]))
    assert judgement == Judgement(invariant="own", verdict=Verdict.VALID, checked=2)


def test_anothers_value_is_found() -> None:
    """The finding says who was served it."""
    wrong = Finding(
        problem="of_another",
        message="its output is that of another input: a cache keeps both under one key",
        workflow_id=WORKFLOW,
        step="load",
        item="b",
    )
    judgement = OWN(replace(GOOD, facts=[served("a", 0), served("b", 2)]))
    assert judgement == Judgement(invariant="own", verdict=Verdict.INVALID, checked=2, findings=(wrong,))


def test_a_run_without_a_cache_is_not_asked() -> None:
    """It is not unknown for that."""
    assert OWN(GOOD) is None
