"""A load whose generator was late is void; what late means is counted from each iteration's first call."""

import msgspec
import pytest
from handwritten_records import operation

from harness.checking.applicable import applicable
from harness.checking.invariants import Records
from harness.checking.load import lags, sent_on_time
from harness.records.columns import frame_of
from harness.records.load import LoadInfo
from harness.records.operations import Operation
from harness.records.verdicts import Verdict

LOAD = LoadInfo(began=0, duration=10, rate=10, arrivals="constant", shares={"slice": 1.0}, lag_budget=0.05)


def call(iteration: int, late: float, **changes: object) -> Operation:
    """A call that was meant for second 1."""
    return msgspec.structs.replace(operation(sent=1 + late), iteration=iteration, **changes)


def judged(*operations: Operation, load: LoadInfo = LOAD) -> tuple[Verdict, int, str]:
    records = Records(operations=operations, workflows=(), effects=None, facts=(), load=load)
    told = sent_on_time(records)
    return told.verdict, told.checked, told.reason


def test_the_first_call_of_an_iteration_tells_how_late_it_was() -> None:
    """Later ones wait for the first, which is no fault of the generator's."""
    calls = [call(0, 0.5), call(0, 0.01), call(0, 2.0), call(1, 0.2)]
    assert lags(frame_of(Operation, calls)).to_list() == pytest.approx([0.01, 0.2])


def test_a_generator_that_kept_its_times_is_trusted() -> None:
    """One in a hundred may be later than the budget."""
    assert judged(*(call(n, 0.049) for n in range(99)), call(99, 9.0)) == (Verdict.VALID, 100, "")


def test_a_generator_that_was_late_makes_the_load_void() -> None:
    """Two in a hundred may not; the reason says how late, and what to do."""
    verdict, checked, reason = judged(*(call(n, 0.001) for n in range(98)), call(98, 0.25), call(99, 0.3))
    assert (verdict, checked) == (Verdict.UNKNOWN, 100)
    assert reason == (
        "the load is void: of 100 iterations one in a hundred was sent 250 ms late or more, and 50 ms are allowed; "
        "give the generator more processes, or ask for less"
    )


def test_warm_up_and_what_was_not_under_load_do_not_count() -> None:
    late = [call(0, 9.0, warm_up=True), call(0, 9.0, scenario="other")]
    assert judged(*late, call(1, 0.0)) == (Verdict.VALID, 1, "")
    assert judged(*late)[0] is Verdict.UNKNOWN


def test_a_load_that_was_stopped_early_is_void() -> None:
    """However well the little that was driven went: it is not what was asked for."""
    verdict, checked, reason = judged(call(0, 0.0), load=msgspec.structs.replace(LOAD, duration=600.0, stopped=5.2))
    assert (verdict, checked) == (Verdict.UNKNOWN, 1)
    assert reason == (
        "the load is void: 600 s were asked for, and after 5 s it was stopped by hand, or a process was lost that "
        "drove it; let one go on to its end"
    )


def test_only_an_open_loop_is_judged_so() -> None:
    """A user of a closed loop is never late: nobody had said when to ask; but can be sent away like any other."""

    def applied(load: LoadInfo | None) -> bool:
        return sent_on_time in applicable(Records(operations=(), workflows=(), effects=None, facts=(), load=load))

    assert applied(LOAD)
    assert not applied(None)
    assert not applied(msgspec.structs.replace(LOAD, users=3))
    assert applied(msgspec.structs.replace(LOAD, users=3, stopped=1.0))
