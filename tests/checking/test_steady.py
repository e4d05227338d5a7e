"""The steady state before the first fault: who was served in time, of those who should have been."""

import msgspec
import pytest
from handwritten_records import operation

from harness.checking.invariants import Records
from harness.checking.steady import is_steady, served_of, steady_before
from harness.records.experiment import ExperimentInfo, Recovery, Steady
from harness.records.faults import FaultWindow
from harness.records.load import LoadInfo
from harness.records.operations import Iteration, Operation
from harness.records.verdicts import Verdict

STEADY = Steady(response=2.0, served=0.5)


def iteration(index: int, intended: float) -> Iteration:
    """One of the scenario of the handwritten calls."""
    return Iteration(run="run", scenario="slice", index=index, seed=1, intended=intended)


def call(index: int, acknowledged: float | None) -> Operation:
    """A call of it."""
    return msgspec.structs.replace(operation(acknowledged=acknowledged), iteration=index)


@pytest.mark.parametrize(
    ("calls", "until", "found"),
    [
        ([call(0, 12.0)], 20.0, (1, 1)),  # in the nick of time
        ([call(0, 12.1)], 20.0, (0, 1)),  # too late
        ([call(0, 11.0), call(0, None)], 20.0, (0, 1)),  # one of its calls was never answered
        ([], 20.0, (0, 1)),  # it made none
        ([], 12.0, (0, 1)),  # and its time is just up
        ([], 11.9, (0, 0)),  # its time is not up yet
        ([call(0, 11.0)], 11.5, (1, 1)),  # it was served before
        ([call(0, 11.0)], 10.5, (0, 0)),  # it was served, but not by then
        ([call(0, 10.0)], 10.0, (0, 0)),  # it was meant to start then, not before
        ([call(1, 11.0)], 20.0, (0, 1)),  # another's call
    ],
)
def test_who_was_served(calls: list[Operation], until: float, found: tuple[int, int]) -> None:
    """Of one iteration that was meant to start at 10, with two seconds' time."""
    assert served_of([iteration(0, 10.0)], calls, STEADY, 5.0, until) == found


def test_what_began_before_is_left_out() -> None:
    """Those that were meant to start earlier, as what prepares a run."""
    assert served_of([iteration(0, 4.9), iteration(1, 5.0)], [], STEADY, 5.0, 20.0) == (0, 1)


def test_a_share_is_enough() -> None:
    """Half of them here; with nobody to serve nobody knows."""
    assert is_steady(1, 2, STEADY) is True
    assert is_steady(1, 3, STEADY) is False
    assert is_steady(0, 0, STEADY) is None


def experimented(calls: list[Operation], injected: float) -> Records:
    """Two iterations, and a fault."""
    window = FaultWindow(name="cut", on="x", injected=injected, healed=30.0, in_force=True, evidence="")
    info = ExperimentInfo(name="n", title="t", expect="e", steady=STEADY, recovery=Recovery(), toml="")
    load = LoadInfo(began=10.0, duration=20.0, rate=1.0, arrivals="constant", shares={"slice": 1.0})
    later = msgspec.structs.replace(window, injected=injected + 5)
    return Records(
        operations=calls,
        workflows=(),
        effects=None,
        facts=(),
        faults=[later, window],
        experiment=info,
        load=load,
        iterations=[iteration(0, 10.0), iteration(1, 11.0), iteration(2, 14.0)],
    )


def test_steady_before_the_first_fault() -> None:
    """Enough were served by then; what came after it does not count."""
    assert steady_before(experimented([call(0, 10.5)], 14.0)).verdict is Verdict.VALID
    judgement = steady_before(experimented([call(2, 14.5)], 14.0))
    assert judgement.verdict is Verdict.INVALID
    assert [finding.message for finding in judgement.findings] == [
        "2 of 2 iterations were not served within 2 s: nothing was broken yet"
    ]
    assert steady_before(experimented([], 11.0)).verdict is Verdict.UNKNOWN
