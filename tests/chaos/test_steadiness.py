"""An experiment is stopped where nobody is answered any more, and not before."""

import pytest

from chaos.situation import Situation
from chaos.steadiness import NotSteady, Steadiness
from harness.clock import now
from harness.records.experiment import Steady
from harness.records.operations import Ack, Iteration, Kind, Operation
from loadtests.engine import Progress

PATIENCE = 100.0


def answered(kind: Kind, ago: float) -> Operation:
    """A call that was answered so many seconds ago."""
    return Operation(
        scenario="s",
        iteration=0,
        kind=kind,
        name="",
        workflow_id="w",
        run_id=None,
        intended=0.0,
        sent=0.0,
        acknowledged=now() - ago,
        ack=Ack.OK,
    )


def is_stopped(*answers: Operation, oldest: float | None = 500.0) -> bool:
    """Whether it is, after these answers, where the oldest that waits was to begin so many seconds ago."""
    situation = Situation(None)
    for each in answers:
        situation.record(each)
    if oldest is not None:
        waiting = Iteration(run="r", scenario="s", index=0, seed=1, intended=now() - oldest)
        situation.progress = Progress(planned=9, started=1, open={("s", 0): waiting})
    try:
        Steadiness(Steady(patience=PATIENCE), now() - 1000.0, situation, []).look()
    except NotSteady:
        return True
    return False


@pytest.mark.parametrize("kind", [Kind.START, Kind.SIGNAL])
def test_what_the_server_takes_down_alone_is_no_answer(kind: Kind) -> None:
    """All workers are gone, and each start is acknowledged at once: nobody is served for all that."""
    assert is_stopped(answered(Kind.RESULT, ago=300.0), answered(kind, ago=0.0))


@pytest.mark.parametrize("kind", [Kind.RESULT, Kind.UPDATE, Kind.QUERY])
def test_what_a_worker_answers_is(kind: Kind) -> None:
    """However long ago anything else was."""
    assert not is_stopped(answered(Kind.START, ago=300.0), answered(kind, ago=5.0))


def test_of_a_load_that_asks_for_no_more_a_start_is_an_answer() -> None:
    """There is nothing else to go by."""
    assert not is_stopped(answered(Kind.START, ago=5.0))
    assert is_stopped(answered(Kind.START, ago=300.0))


def test_who_has_only_begun_to_wait_does_not_wait_for_long() -> None:
    """Where arrivals are far apart, the last answer is long ago in any case."""
    assert not is_stopped(answered(Kind.RESULT, ago=300.0), oldest=5.0)
    assert not is_stopped(answered(Kind.RESULT, ago=300.0), oldest=None)
