"""A load that several processes drive is divided, reported, merged and noted; nothing of it is lost between them."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest
from small_target import small_target

from harness.errors import CannotRun
from harness.records.histogram import Histogram
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.run import Recorded, Run
from harness.records.verdicts import Finding
from loadtests.hosted import ANY_WISH, Loop, Plan, Wish
from loadtests.leader import GRACE_SECONDS, Leader
from loadtests.tally import Tally

WISH = Wish(mix=["small-echo=3", "small-steady"], rate=10, duration=2)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that somebody else has made."""
    return Run.create(tmp_path, kind="load", title="t", target="small", seed=7, command="pytest")


@pytest.fixture
def plan(run: Run) -> Plan:
    """The plan of its load."""
    return Plan(
        run=run.info.id, directory=str(run.directory), seed=7, target="temper.toml", task_queue="q",
        addresses={}, workspace="/", wish=WISH, first={"small-echo": 5},
    )  # fmt: skip


@pytest.fixture
def leader(plan: Plan) -> Iterator[Leader]:
    """Whoever leads it."""
    made = Leader(plan, small_target())
    yield made
    made.run.close()


def called(
    *, took: float | None, kind: Kind = Kind.START, status: str | None = None, scenario: str = "small-echo"
) -> Operation:
    """A call that was answered after so many seconds, or never."""
    return Operation(
        scenario=scenario, iteration=0, kind=kind, name="Echo", workflow_id="w", run_id=None, intended=100.0,
        sent=100.0, acknowledged=None if took is None else 100.0 + took, ack=Ack.INFO if took is None else Ack.OK,
        status=status,
    )  # fmt: skip


def report(*, over: bool, lines: Tally | None = None, records: tuple[msgspec.Struct, ...] = ()) -> dict[str, object]:
    """What a process tells the leader."""
    encoded = [[type(each).__name__, msgspec.json.encode(each)] for each in records]
    return {"over": over, "lines": (lines or Tally()).taken(), "records": encoded}


def test_every_planned_iteration_is_in_one_share(leader: Leader) -> None:
    """Three processes have all of them, none twice; all are noted before any is driven."""
    leader.begin(WISH, ["a", "b", "c"])
    load = WISH.load(leader.target)
    planned = load.iterations(leader.plan.run, 7, leader.shares["a"].begin, leader.plan.first)
    dealt = [each for share in leader.shares.values() for each in share.of(planned)]
    assert sorted(dealt, key=lambda each: each.intended) == planned
    assert len(planned) == 20
    assert Recorded(leader.run.directory).read(Iteration) == planned
    assert min(each.index for each in planned if each.scenario == "small-echo") == 5


def test_a_closed_loop_plans_no_iteration(leader: Leader) -> None:
    """Its users start when they were answered; how many users make up the rate is noted."""
    leader.begin(msgspec.structs.replace(WISH, loop=Loop.CLOSED, pace=0.5), ["a"])
    recorded = Recorded(leader.run.directory)
    hosted = recorded.hosted()
    assert recorded.read(Iteration) == []
    assert hosted is not None
    assert (hosted.load.users, hosted.load.closed, hosted.ended) == (5, True, None)
    assert (hosted.load.rate, hosted.load.arrivals) == (0, "closed")


def test_a_run_is_one_load(leader: Leader) -> None:
    """A second one is refused, and what is more than the cap."""
    with pytest.raises(CannotRun, match="At most 2 are allowed"):
        msgspec.structs.replace(leader.plan, rate_cap=2.0).checked(WISH, leader.target)
    leader.begin(WISH, ["a"])
    with pytest.raises(CannotRun, match="has had it"):
        leader.begin(WISH, ["a"])


def test_figures_of_all_processes_are_merged(leader: Leader) -> None:
    """Percentiles at the leader are those of all the calls; Locust's stand beside them."""
    leader.begin(WISH, ["a", "b"])
    rng, every = Random(1), []
    for process in ("a", "b", "a"):
        tally = Tally()
        for _ in range(500):
            every.append(rng.expovariate(10))
            tally.count("open", called(took=every[-1]), ["completed"])
        leader.hear(process, report(over=False, lines=tally))
    leader.end({("open", "small-echo: start"): (0.1, 0.2)})
    hosted = Recorded(leader.run.directory).hosted()
    assert hosted is not None
    (line,) = hosted.lines
    assert (line.loop, line.call, line.calls, line.failures) == ("open", "small-echo: start", 1500, 0)
    assert (line.p50, line.p99) == (Histogram(every).percentile(50), Histogram(every).percentile(99))
    assert (line.locust_p50, line.locust_p99) == (0.1, 0.2)


def test_a_call_nobody_answered_is_slower_than_all() -> None:
    """It counts as a failure, and a percentile that falls on it is not known."""
    tally = Tally()
    tally.count("open", called(took=0.1), ["completed"])
    tally.count("open", called(took=None), ["completed"])
    line = tally.lines["open", "small-echo: start"]
    assert (line.calls, line.failures) == (2, 1)
    assert line.percentile(50) == pytest.approx(0.1, rel=0.001)
    assert line.percentile(99) is None


def test_a_workflow_that_ended_as_it_may_not_is_a_failure() -> None:
    """The result came in time, and it is not what the scenario allows: it is no answer, however fast it was."""
    tally = Tally()
    tally.count("open", called(took=0.1, kind=Kind.RESULT, status="failed"), ["completed"])
    tally.count("open", called(took=0.5, kind=Kind.RESULT, status="completed"), ["completed"])
    line = tally.lines["open", "small-echo: result"]
    assert (line.failures, line.unanswered) == (1, 0)
    assert line.percentile(50) == pytest.approx(0.5, rel=0.001)


def test_to_be_shed_or_refused_is_no_fast_answer() -> None:
    """The more a server turns away, the better it would look; that holds for what other processes counted too."""
    tally, merged = Tally(), Tally()
    for _ in range(9):
        tally.count("open", msgspec.structs.replace(called(took=0.001), ack=Ack.FAIL), ["completed"])
    tally.count("open", called(took=1.0), ["completed"])
    tally.count("open", called(took=None), ["completed"])
    merged.add(tally.taken())
    line = merged.lines["open", "small-echo: start"]
    assert (line.calls, line.failures, line.unanswered) == (11, 10, 1)
    assert line.percentile(50) == pytest.approx(1.0, rel=0.001)
    assert line.percentile(99) is None


def test_what_is_taken_is_not_counted_twice() -> None:
    """A process reports what it counted since its last report."""
    tally, merged = Tally(), Tally()
    for _ in range(2):
        tally.count("open", called(took=0.1), [])
        merged.add(tally.taken())
    merged.add(tally.taken())
    assert merged.lines["open", "small-echo: start"].calls == 2


def test_records_of_another_machine_are_written_by_the_leader(leader: Leader) -> None:
    """What a process could not write itself is in the run; what broke in a scenario waits to be judged."""
    leader.begin(WISH, ["a"])
    broken = Finding(problem="broke", message="oh", workflow_id="w")
    leader.hear("a", report(over=False, records=(called(took=0.1), broken)))
    leader.end({})
    recorded = Recorded(leader.run.directory)
    assert recorded.read(Operation) == [called(took=0.1)]
    hosted = recorded.hosted()
    assert hosted is not None
    assert list(hosted.broken) == [broken]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The leader's clock, to be set by the test."""
    told = [1000.0]
    monkeypatch.setattr("loadtests.leader.now", lambda: told[0])
    return told


def test_a_load_is_over_when_all_who_are_there_have_said_so(leader: Leader, clock: list[float]) -> None:
    """Not before its time, nor without one who still drives; but without one who is gone, and then it was stopped."""
    assert not leader.over(["a", "b"])
    leader.begin(WISH, ["a", "b"])
    leader.hear("a", report(over=True))
    assert not leader.over(["a"])
    clock[0] += 30
    assert not leader.over(["a", "b"])
    assert leader.over(["a"])
    leader.end({})
    hosted = Recorded(leader.run.directory).hosted()
    assert hosted is not None
    assert hosted.load.stopped == clock[0] - hosted.load.began
    leader.hear("b", report(over=True))
    assert leader.over(["a", "b"])
    leader.end({})
    hosted = Recorded(leader.run.directory).hosted()
    assert hosted is not None
    assert (hosted.stopped, hosted.ended) == (False, clock[0])


def test_a_load_does_not_wait_for_ever(leader: Leader, clock: list[float]) -> None:
    """Past the limit of the slowest scenario, and some grace, it is over without those that said nothing."""
    leader.begin(WISH, ["a"])
    clock[0] += 1 + WISH.duration + 20 + GRACE_SECONDS
    assert not leader.over(["a"])
    clock[0] += 0.1
    assert leader.over(["a"])


@pytest.mark.parametrize(
    ("loop", "pace", "highest"),
    [(Loop.OPEN, 1, 10), (Loop.CLOSED, 1, 10), (Loop.CLOSED, 0.01, 100), (Loop.BOTH, 1, 20)],
)
def test_a_cap_is_on_both_loops_together(leader: Leader, loop: Loop, pace: float, highest: float) -> None:
    """A user who starts a hundred times a second is too much for a cap of ten, though the rate asked for is not."""
    wish = msgspec.structs.replace(WISH, loop=loop, pace=pace)
    capped = msgspec.structs.replace(leader.plan, rate_cap=highest - 0.1)
    with pytest.raises(CannotRun, match=f"would put {highest:g} iterations a second"):
        capped.checked(wish, leader.target)
    msgspec.structs.replace(leader.plan, rate_cap=highest).checked(wish, leader.target)


@pytest.mark.parametrize("pace", [0, -1, 2.1, float("nan")])
def test_a_user_starts_again_after_a_while_and_within_the_load(leader: Leader, pace: float) -> None:
    with pytest.raises(ValueError, match="the pace must be above 0 seconds, and no longer than the load"):
        leader.allow(msgspec.structs.replace(WISH, loop=Loop.CLOSED, pace=pace))


def test_what_is_typed_is_what_is_told() -> None:
    """All of a wish can be typed, on the command line or in the form; what a search draws is its own."""
    wish = Wish(
        mix=["small-echo=3", "small-steady"], rate=2.5, duration=9, arrivals="ramp:from=1", loop=Loop.BOTH, pace=0.3,
        warm_up=1.5, tenants={"gold": 0.75, "free": 0.25}, in_flight=7, lag_budget=0.04,
    )  # fmt: skip
    assert set(wish.typed) == {*Wish.__struct_fields__} - {"draw"}
    assert ANY_WISH.told(Namespace(**wish.typed)) == wish
    assert wish.told(Namespace(**ANY_WISH.typed)) == msgspec.structs.replace(ANY_WISH, mix=[])
