"""An experiment is run once, with all it needs, and its outcome says whether anything was broken, and shown."""

from pathlib import Path

import pytest
from small_target import small_target

from chaos.experiment import Experiment, LoadPlan
from chaos.faults.links import LinkDownPlan
from chaos.once import Outcome, broken, run_once
from harness.records.run import Recorded
from harness.records.verdicts import Judgement, Verdict
from harness.stack import Stack
from harness.testbed import Wanted


async def test_it_is_run_and_judged(stack: Stack, tmp_path: Path) -> None:
    """The run is whole and below the results; the fault bit, nothing is broken, what nobody could see is unknown."""
    experiment = Experiment(
        name="cut",
        title="The client is cut off",
        expect="What it asked for happens late.",
        load=LoadPlan(scenarios=("small-echo",), rate=5, duration=3),
        fault=(LinkDownPlan(owner="client", service="temporal", at=0.5, duration=2),),
        workers=1,
    )
    wanted = Wanted(links=True, external={"temporal": stack["temporal"].url})
    outcome = await run_once(small_target(), experiment, seed=7, results=tmp_path, wanted=wanted, command="pytest")
    assert str(outcome) == f"unknown: nothing doubled is not known ({outcome.directory})"
    assert outcome.upholds("nothing lost")
    assert outcome.directory.parent == tmp_path
    info = Recorded(outcome.directory).info
    assert (info.kind, info.seed, info.command, info.partial) == ("chaos", 7, "pytest", False)


def judged(**verdicts: Verdict) -> list[Judgement]:
    """Judgements of these invariants, in this order."""
    return [Judgement(invariant=name, verdict=verdict, checked=1) for name, verdict in verdicts.items()]


@pytest.mark.parametrize(
    ("judgements", "unbitten", "says"),
    [
        (judged(a=Verdict.VALID, b=Verdict.VALID), (), "valid: every invariant holds (run)"),
        (judged(a=Verdict.VALID, b=Verdict.UNKNOWN), (), "unknown: b is not known (run)"),
        (judged(a=Verdict.VALID), ("pause on worker-1",), "unknown: pause on worker-1 did not bite (run)"),
        (judged(b=Verdict.INVALID, c=Verdict.UNKNOWN, a=Verdict.INVALID), (), "invalid: b, a, c is not known (run)"),
        (judged(a=Verdict.INVALID), ("pause on worker-1",), "invalid: a, pause on worker-1 did not bite (run)"),
    ],
)
def test_what_came_of_it_is_told_in_a_line(judgements: list[Judgement], unbitten: tuple[str, ...], says: str) -> None:
    """Not known, or not shown, is never valid; the invariants stand in the order in which they were judged."""
    outcome = Outcome(directory=Path("run"), judgements=judgements, unbitten=unbitten)
    assert str(outcome) == says
    assert says.startswith(outcome.verdict)
    assert all(name in says for name in broken(judgements))


@pytest.mark.parametrize(
    ("judgements", "unbitten", "upheld"),
    [
        (judged(a=Verdict.VALID, b=Verdict.UNKNOWN), (), True),
        (judged(a=Verdict.UNKNOWN, b=Verdict.VALID), (), False),
        (judged(a=Verdict.VALID, b=Verdict.INVALID), (), False),
        (judged(a=Verdict.VALID), ("pause on worker-1",), False),
        (judged(b=Verdict.VALID), (), False),
    ],
    ids=["another is not known", "it is not known", "another is broken", "nothing was shown", "it was not asked"],
)
def test_one_invariant_is_upheld_where_another_can_never_be_known(
    judgements: list[Judgement], unbitten: tuple[str, ...], *, upheld: bool
) -> None:
    """That is what a test of one failure wants, also of a target that keeps no ledger."""
    assert Outcome(directory=Path("run"), judgements=judgements, unbitten=unbitten).upholds("a") is upheld
