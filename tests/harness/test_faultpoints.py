"""Fault points bite where they were armed, once, and say that they did."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from small_worker import small_worker
from small_workflows import Marking
from temporalio import exceptions
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.testing import ActivityEnvironment

from harness import faultpoints
from harness.doubts import unbitten
from harness.errors import CannotRun
from harness.eventually import eventually
from harness.faultpoints import FaultPoints, Place, interceptors
from harness.wire import Wire
from harness.workers import Worker, Workers, WorkerSpec

ANY = replace(ActivityEnvironment.default_info(), activity_type="marks")


@dataclass
class Marked:
    """Runs the workflow that leaves marks, under an id that no other test uses."""

    client: Client
    task_queue: str
    faults: FaultPoints
    path: Path
    id: str

    async def run(self, **options: Any) -> list[int]:
        """Run it to its end; returns the attempt by which each call ended well."""
        attempts: list[int] = await self.client.execute_workflow(
            "Marks",
            Marking(str(self.path), **options),
            id=self.id,
            task_queue=self.task_queue,
            result_type=list[int],
            task_timeout=timedelta(seconds=1),
        )
        return attempts

    async def failure(self, **options: Any) -> BaseException | None:
        """Run it to its failure; returns what its activity failed of."""
        with pytest.raises(WorkflowFailureError) as caught:
            await self.run(**options)
        assert isinstance(caught.value.cause, ActivityError)
        return caught.value.cause.cause

    def at(self, activity_type: str, **options: Any) -> Place:
        """Choose among the attempts of this workflow."""
        return self.faults.at(activity_type, workflow_id=self.id, **options)

    @property
    def marks(self) -> list[str]:
        """The effects, as "activity id, attempt"."""
        if not self.path.exists():
            return []
        return [" ".join(line.split()[:2]) for line in self.path.read_text().splitlines()]

    @property
    def bitten(self) -> list[tuple[str, int, str, str]]:
        """What bit: activity id, attempt, point and act."""
        assert {bite.workflow_id for bite in self.faults.bitten()} <= {self.id}
        return [(bite.activity_id, bite.attempt, bite.point, bite.act) for bite in self.faults.bitten()]


@pytest.fixture
def faults(tmp_path: Path) -> FaultPoints:
    """A directory of this test's own."""
    return FaultPoints(tmp_path / "faults")


@pytest.fixture
async def client(temporal_address: str) -> Client:
    """A plain client."""
    return await Client.connect(temporal_address)


@pytest.fixture
async def here(client: Client, temporal_address: str, faults: FaultPoints, tmp_path: Path) -> AsyncIterator[Marked]:
    """The workflow, with a worker in this process."""
    async with small_worker(temporal_address, interceptors=interceptors(faults.environment)) as worker:
        yield Marked(client, worker.task_queue, faults, tmp_path / "marks", f"marks-{secrets.token_hex(4)}")


@pytest.fixture
async def process(temporal_address: str, faults: FaultPoints, tmp_path: Path) -> AsyncIterator[Workers]:
    """A worker in a process of its own, which a fault may kill."""
    queue = f"small-{secrets.token_hex(4)}"
    environment = {"TEMPORAL_ADDRESS": temporal_address, "TASK_QUEUE": queue, **faults.environment}
    spec = WorkerSpec(
        command=[sys.executable, "-m", "small_process"],
        environment=environment,
        settle_seconds=0.5,
        directory=Path(__file__).parent.parent,
    )
    async with Workers([Worker("worker-1", spec, {}, log_path=tmp_path / "worker.log")]) as workers:
        yield workers


@pytest.fixture
def there(client: Client, process: Workers, faults: FaultPoints, tmp_path: Path) -> Marked:
    """The workflow, with its worker in that process."""
    queue = process[0].spec.environment["TASK_QUEUE"]
    return Marked(client, queue, faults, tmp_path / "marks", f"marks-{secrets.token_hex(4)}")


async def test_nothing_armed_nothing_bites(here: Marked) -> None:
    """With the interceptor and without a fault the workflow runs as ever."""
    assert await here.run(calls=2) == [1, 1]
    assert here.marks == ["1 1", "2 1"]
    assert here.bitten == []


@pytest.mark.parametrize("in_thread", [False, True])
async def test_before_the_body_is_not_called(here: Marked, in_thread: bool) -> None:
    """The first attempt fails without an effect, the second has it."""
    here.at("marks_in_thread" if in_thread else "marks").before()
    assert await here.run(in_thread=in_thread) == [2]
    assert here.marks == ["1 2"]
    assert here.bitten == [("1", 1, "before", "raise")]


@pytest.mark.parametrize("in_thread", [False, True])
async def test_after_the_effect_is_there_and_the_attempt_failed(here: Marked, in_thread: bool) -> None:
    """The first attempt has its effect and fails, so that the second has it again."""
    here.at("marks_in_thread" if in_thread else "marks").after_commit()
    assert await here.run(in_thread=in_thread) == [2]
    assert here.marks == ["1 1", "1 2"]
    assert here.bitten == [("1", 1, "after", "raise")]


async def test_every_attempt_of_a_range_exhausts_the_retries(here: Marked) -> None:
    """Temporal sees ordinary failures of a type of their own, and gives up after the last attempt."""
    here.at("marks", attempt=range(1, 4)).after_commit()
    cause = await here.failure()
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("FaultPoint", False)
    assert cause.message == "fault point after marks, attempt 3"
    assert here.marks == ["1 1", "1 2", "1 3"]
    assert [attempt for _, attempt, _, _ in here.bitten] == [1, 2, 3]


async def test_the_first_attempt_that_gets_there_is_bitten(here: Marked) -> None:
    """Whichever it is, and as many as are wanted: the first fails on its way there, the fourth goes through."""
    here.at("marks").before()
    here.at("marks", attempt=range(1, 100), times=2).after_commit()
    assert await here.run(attempts=4) == [4]
    assert here.marks == ["1 2", "1 3", "1 4"]
    assert here.bitten == [("1", 1, "before", "raise"), ("1", 2, "after", "raise"), ("1", 3, "after", "raise")]


@pytest.mark.parametrize(("point", "marks"), [("before", []), ("after", ["1 1"])])
async def test_a_step_fails_for_good(here: Marked, point: str, marks: list[str]) -> None:
    """What may not be retried is not: one attempt, one bite."""
    place = here.at("marks")
    (place.before if point == "before" else place.after_commit)(retryable=False)
    cause = await here.failure()
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("FaultPoint", True)
    assert here.marks == marks
    assert here.bitten == [("1", 1, point, "refuse")]


@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_lost_completion_times_out(here: Marked, in_thread: bool) -> None:
    """The effect is there and Temporal never learns of it: the attempt times out, and the next has it again."""
    here.at("marks_in_thread" if in_thread else "marks").lose()
    assert await here.run(in_thread=in_thread) == [2]
    assert here.marks == ["1 1", "1 2"]
    assert here.bitten == [("1", 1, "after", "lose")]


async def test_a_lost_last_completion_is_a_timeout(here: Marked) -> None:
    """With all attempts lost the activity fails as the server saw it: its start-to-close time ran out."""
    here.at("marks", attempt=range(1, 4)).lose()
    cause = await here.failure()
    assert isinstance(cause, exceptions.TimeoutError)
    assert cause.type is exceptions.TimeoutType.START_TO_CLOSE


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("heartbeats", [False, True])
async def test_a_superseded_attempt_that_hung_has_its_effect_all_the_same(
    here: Marked, heartbeats: bool, in_thread: bool
) -> None:
    """Temporal gives up the first attempt, for want of a heartbeat too; it goes on when the second has begun."""
    here.at("marks_in_thread" if in_thread else "marks").hang()
    assert await here.run(heartbeats=heartbeats, in_thread=in_thread) == [2]
    await eventually(lambda: sorted(here.marks) == ["1 1", "1 2"], timeout=20)
    assert here.bitten == [("1", 1, "before", "hold")]


async def test_an_attempt_that_hangs_and_has_no_successor_goes_on_by_itself(
    here: Marked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some time after it was given up."""
    monkeypatch.setattr(faultpoints, "GIVEN_UP", 0.1)
    here.at("marks").hang()
    cause = await here.failure(attempts=1)
    assert isinstance(cause, exceptions.TimeoutError)
    await eventually(lambda: here.marks == ["1 1"], timeout=20)


async def test_an_attempt_that_hangs_can_be_woken(here: Marked, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on, though no other attempt has begun."""
    monkeypatch.setattr(faultpoints, "GIVEN_UP", 600)
    here.at("marks").hang()
    marking = asyncio.create_task(here.run(attempts=1))
    await eventually(lambda: here.bitten, timeout=20)
    assert here.marks == []
    here.faults.wake()
    await eventually(lambda: here.marks == ["1 1"], timeout=20)
    await asyncio.gather(marking, return_exceptions=True)  # on a slow machine it was given up meanwhile


async def test_a_late_completion_is_refused(temporal_address: str, faults: FaultPoints, tmp_path: Path) -> None:
    """The effect is there, the attempt was given up, and the server knows it no more when it reports."""
    async with (
        Wire.to(temporal_address) as wire,
        small_worker(wire.address, interceptors=interceptors(faults.environment)) as worker,
    ):
        here = Marked(await Client.connect(wire.address), worker.task_queue, faults, tmp_path / "marks", "marks-late")
        here.at("marks").complete_late()
        reports = wire.lose_response(
            "RespondActivityTaskCompleted", activity="marks", attempt=1, code=StatusCode.NOT_FOUND
        )
        assert await here.run() == [2]
        await eventually(lambda: reports.bitten, timeout=20)
        assert here.marks == ["1 1", "1 2"]
        assert here.bitten == [("1", 1, "after", "hold")]
        assert [bite.answers for bite in reports.bitten] == [("NOT_FOUND",)]


@pytest.mark.parametrize("in_thread", [False, True])
async def test_an_attempt_that_runs_twice_has_its_effect_twice(here: Marked, in_thread: bool) -> None:
    """And is one attempt."""
    here.at("marks_in_thread" if in_thread else "marks").run_twice()
    assert await here.run(in_thread=in_thread, calls=2) == [1, 1]
    assert here.marks == ["1 1", "1 1", "2 1"]
    assert here.bitten == [("1", 1, "before", "twice")]


@pytest.mark.parametrize(("point", "marks"), [("before", ["1 2"]), ("after", ["1 1", "1 2"])])
async def test_a_killed_worker_is_started_again_and_goes_on(
    there: Marked, process: Workers, point: str, marks: list[str]
) -> None:
    """The kill bites once, and is told although it left no time to tell; the next attempt is another process's."""
    getattr(there.at("marks"), f"kill_{point}")()
    first = process[0].pid
    async with process.kept_alive() as restarts:
        assert await there.run() == [2]
    assert restarts == {"worker-1": 1}
    assert there.marks == marks
    assert there.bitten == [("1", 1, point, "kill")]
    assert [bite.pid for bite in there.faults.bitten()] == [first]
    assert process[0].pid != first


@pytest.mark.parametrize(
    ("call", "attempts", "met"),
    [(1, [2, 1, 1], ["1"]), (3, [1, 1, 2], ["3"]), (4, [1, 1, 1], []), (None, [2, 2, 2], ["1", "2", "3"])],
)
async def test_a_call_is_chosen_by_its_number(
    here: Marked, call: int | None, attempts: list[int], met: list[str]
) -> None:
    """By default the first, else the n-th, or every one."""
    here.at("marks", call=call).before()
    assert await here.run(calls=3) == attempts
    assert [activity_id for activity_id, _, _, _ in here.bitten] == met


async def test_calls_are_counted_over_all_workers(there: Marked, process: Workers) -> None:
    """A worker that was killed had counted two calls: the third is the first of the next worker."""
    there.at("marks", call=2).kill_before()
    there.at("marks", call=3).before()
    async with process.kept_alive():
        assert await there.run(calls=3) == [1, 2, 2]
    assert there.bitten == [("2", 1, "before", "kill"), ("3", 1, "before", "raise")]


async def test_several_faults_share_an_activity(here: Marked) -> None:
    """Each bites on its own attempt."""
    here.at("marks", attempt=1).after_commit()
    here.at("marks", attempt=2).before()
    assert await here.run() == [3]
    assert here.marks == ["1 1", "1 3"]
    assert here.bitten == [("1", 1, "after", "raise"), ("1", 2, "before", "raise")]


async def test_a_prefix_reaches_workflows_whose_ids_are_not_known_yet(here: Marked) -> None:
    """The ids need only begin so."""
    here.faults.at("marks", prefix=here.id[:-2]).before()
    assert await here.run() == [2]
    assert here.bitten == [("1", 1, "before", "raise")]


async def test_without_an_id_all_workflows_are_meant(here: Marked) -> None:
    """Their calls are one sequence."""
    here.faults.at("marks", call=2).before()
    assert await here.run(calls=3) == [1, 2, 1]
    assert here.bitten == [("2", 1, "before", "raise")]


@pytest.mark.parametrize(("point", "marks"), [("before", []), ("after", ["1 1"])])
async def test_a_kill_spares_the_process_that_armed_it(here: Marked, point: str, marks: list[str]) -> None:
    """Or the test would be gone, without a word: the activity fails for good instead, and nothing has bitten."""
    getattr(here.at("marks"), f"kill_{point}")()
    cause = await here.failure()
    assert isinstance(cause, ApplicationError)
    assert "Run the worker in a process of its own" in cause.message
    assert here.marks == marks
    assert here.bitten == []
    (fault,) = here.faults.unbitten()
    assert "a kill bites a worker in a process of its own" in unbitten(fault)


async def test_what_has_not_bitten_yet_is_told(here: Marked) -> None:
    """In the order of arming."""
    here.at("marks").before()
    here.at("marks", attempt=3).run_twice()
    here.faults.at("answers").kill_after()
    assert [fault.act for fault in here.faults.unbitten()] == ["raise", "twice", "kill"]
    await here.run()
    assert [fault.act for fault in here.faults.unbitten()] == ["twice", "kill"]


@pytest.mark.parametrize(
    "choose",
    [
        lambda faults, workflow_id: faults.at("marks", workflow_id=workflow_id[:-1]),
        lambda faults, workflow_id: faults.at("answers", workflow_id=workflow_id),
        lambda faults, workflow_id: faults.at("marks", workflow_id=workflow_id, attempt=2),
        lambda faults, workflow_id: faults.at("marks", prefix=workflow_id[1:]),
        lambda faults, workflow_id: faults.at("answers", prefix=workflow_id[:-2]),
    ],
    ids=["workflow", "activity", "attempt", "prefix", "activity-under-prefix"],
)
async def test_others_are_left_alone(here: Marked, choose: Callable[[FaultPoints, str], Any]) -> None:
    """Another workflow, another activity, another attempt."""
    choose(here.faults, here.id).before()
    assert await here.run() == [1]
    assert here.bitten == []


async def test_a_body_that_fails_by_itself_reaches_no_point_after_it(here: Marked) -> None:
    """There is no effect to lose: the fault did not bite, and says so."""
    here.path.mkdir()
    here.at("marks", attempt=range(1, 4)).after_commit()
    cause = await here.failure()
    assert isinstance(cause, ApplicationError)
    assert cause.type == "IsADirectoryError"
    assert here.bitten == []


async def test_a_kill_meets_a_local_activity_once(there: Marked, process: Workers) -> None:
    """A local activity begins again by the same number when its workflow task does: it is not killed for ever."""
    there.at("marks").kill_after()
    async with process.kept_alive() as restarts:
        assert await there.run(local=True) == [1]
    assert restarts.total() == 1
    assert there.marks == ["1 1", "1 1"]


async def test_a_local_activity_has_no_completion_to_lose(here: Marked) -> None:
    """Nothing to hold back either: nothing bites."""
    here.at("marks").lose()
    here.at("marks").hang()
    here.at("marks").complete_late()
    assert await here.run(local=True) == [1]
    assert here.bitten == []


async def test_disarmed_it_bites_nobody(here: Marked) -> None:
    """Nor is it one that has yet to bite; those that stay armed do."""
    disarmed, stays = here.at("marks", call=None).before(), here.at("marks", call=2).before()
    disarmed.disarm()
    disarmed.disarm()
    assert [fault.attempts.call for fault in here.faults.unbitten()] == [2]
    assert await here.run(calls=2) == [1, 2]
    assert disarmed.bitten() == []
    assert [bite.activity_id for bite in stays.bitten()] == ["2"]


async def test_disarmed_it_lets_go_whom_it_holds(here: Marked) -> None:
    """An attempt that hangs goes on at once."""
    held = here.at("marks").hang()
    running = asyncio.create_task(here.run(heartbeats=True))
    await eventually(held.bitten)
    held.disarm()
    assert (await running)[0] in (1, 2)
    assert "1 1" in here.marks


async def test_disarmed_before_the_body_has_ended_it_does_not_bite_after(
    here: Marked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is looked up when an attempt begins is asked again when it ends."""
    late = here.at("marks").after_commit()

    def disarming(*given: Any) -> list[Any]:
        found = list(due(*given))
        late.disarm()
        return found

    due = faultpoints._due
    monkeypatch.setattr(faultpoints, "_due", disarming)
    assert await here.run() == [1]
    assert late.bitten() == []


def test_a_share_of_the_workflows_is_drawn(faults: FaultPoints) -> None:
    """By the seed and what follows the prefix: another run of the same seed draws the same."""

    def drawn(prefix: str, seed: int) -> set[int]:
        chosen = faults.at("marks", prefix=prefix, share=0.3, seed=seed)
        chosen.before()
        (fault,) = [each for each in faults.unbitten() if each.attempts.workflow_id == prefix]
        infos = {number: replace(ANY, workflow_id=f"{prefix}{number}.main") for number in range(200)}
        return {number for number, info in infos.items() if fault.attempts.may_include(info)}

    first = drawn("run-1.", 1)
    assert 30 < len(first) < 90
    assert drawn("run-2.", 1) == first
    assert drawn("run-3.", 2) != first


@pytest.mark.parametrize("share", [0, -1, 1.1])
def test_a_share_is_no_more_than_all_and_more_than_nothing(faults: FaultPoints, share: float) -> None:
    """Else it is refused."""
    with pytest.raises(ValueError, match="above 0, and up to 1"):
        faults.at("marks", share=share)


def test_off_there_is_no_interceptor(tmp_path: Path) -> None:
    """Without the variable a worker is composed with nothing; a directory that is not there is told."""
    assert interceptors({}) == []
    assert interceptors({"FAULT_POINTS": ""}) == []
    with pytest.raises(CannotRun, match=r"FAULT_POINTS is .*nowhere: there is no such directory"):
        interceptors({"FAULT_POINTS": str(tmp_path / "nowhere")})


@pytest.mark.parametrize("choice", [{"attempt": 0}, {"attempt": range(3)}, {"attempt": range(3, 3)}, {"call": 0}])
def test_what_can_never_bite_is_refused(faults: FaultPoints, choice: dict[str, Any]) -> None:
    """Attempts and calls are counted from 1."""
    with pytest.raises(ValueError, match="counted from 1"):
        faults.at("marks", **choice)


def test_a_fault_that_never_bites_is_refused(faults: FaultPoints) -> None:
    """It is left out instead."""
    with pytest.raises(ValueError, match="times=0: a fault bites once at least"):
        faults.at("marks", times=0)


def test_one_workflow_or_those_that_begin_so(faults: FaultPoints) -> None:
    """Not both."""
    with pytest.raises(ValueError, match="give one of them"):
        faults.at("marks", workflow_id="any", prefix="a")
