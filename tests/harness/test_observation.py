"""Observation turns histories into workflow runs, and finds every workflow of a run."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from small_worker import Quiet, Small, small_worker
from small_workflows import Echo, LateEcho
from temporalio.client import Client
from temporalio.worker import Worker

from harness.checking.applicable import applicable
from harness.checking.invariants import Records, as_judgement
from harness.driver import App, drive
from harness.eventually import eventually
from harness.observation import NotObserved, conclude, judge, read_workflows
from harness.records.discrepancies import Discrepancy, DiscrepancyKind
from harness.records.effects import Effect, EffectKind, Fact, Source
from harness.records.faults import FaultWindow
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.replays import Replay
from harness.records.run import Recorded, Run
from harness.records.verdicts import Finding, Judgement, Verdict
from harness.records.workflows import WorkflowRun
from harness.replaying import replayed
from harness.scenario import Stores
from harness.target import Target, TargetFile, WorkerSection


@pytest.fixture(scope="module")
async def worker(temporal_address: str) -> AsyncIterator[Worker]:
    """A worker for the small workflows, in this process."""
    async with small_worker(temporal_address) as running:
        yield running


@pytest.fixture
async def small(temporal_address: str, worker: Worker, tmp_path: Path) -> Small:
    """A run of its own for this test."""
    return Small(await Client.connect(temporal_address), worker.task_queue, tmp_path)


async def observed(small: Small, workflow: str, argument: str = "") -> WorkflowRun:
    """Run one workflow to its end, and read it back."""
    app = small.app(Quiet(), index=3)
    await app.result(await app.start(workflow, argument))
    (run,) = await read_workflows(small.client, small.run, small.operations)
    return run


async def test_a_completed_workflow_is_read_with_its_activity(small: Small) -> None:
    """Scenario, iteration, type, status and times come from the history; so does each activity, by its last attempt."""
    run = await observed(small, "Echo", "hello")
    start = small.operations[0]
    assert (run.scenario, run.iteration, run.type, run.status) == ("small-quiet", 3, "Echo", "completed")
    assert (run.workflow_id, run.run_id) == (start.workflow_id, start.run_id)
    assert run.closed is not None
    assert run.events == 11
    assert run.task_failures == ()
    (activity,) = run.activities
    assert (activity.type, activity.attempts, activity.last_failure) == ("answers", 1, None)
    assert (activity.outcome, activity.event_id, run.cancel_requested) == ("completed", 5, None)
    assert activity.worker
    assert activity.started is not None
    assert activity.closed is not None
    assert run.started <= activity.scheduled <= activity.started <= activity.closed <= run.closed
    assert run.activity_time() == pytest.approx(activity.closed - activity.started)
    first, last = run.tasks
    assert (first.outcome, first.sticky, last.outcome, last.sticky) == ("completed", False, "completed", True)
    assert run.started <= first.scheduled <= activity.scheduled <= last.scheduled <= run.closed
    assert run.anatomy is not None
    assert run.anatomy.total == pytest.approx(run.closed - run.started, abs=1e-6)


async def test_a_retried_activity_tells_why_the_attempt_before_failed(small: Small) -> None:
    """After a retry the attempt that succeeded is counted, and the failure before it is quoted."""
    (activity,) = (await observed(small, "Retried")).activities
    assert activity.attempts == 2
    assert activity.last_failure == "the first attempt is lost"
    assert (activity.timed_out, activity.asked_pause) == ("", None)
    assert activity.declared is not None
    assert activity.declared.start_to_close_timeout == 10.0
    assert activity.declared.maximum_interval > 0


async def test_an_activity_that_was_given_up_is_told(small: Small) -> None:
    """However it ended then, its workflow had told it to cancel; another one's end is its own."""
    activities = (await observed(small, "GivesUp")).activities
    assert {each.type: each.told_to_cancel for each in activities} == {"takes_a_while": True, "answers": False}


async def test_a_failed_workflow_task_is_read_with_its_cause(small: Small) -> None:
    """A workflow that ended "ok" after a failed workflow task still shows the failure, by Temporal's name for it."""
    run = await observed(small, "Stumbles")
    assert run.status == "completed"
    (failure,) = run.task_failures
    assert failure.cause == "WORKFLOW_WORKER_UNHANDLED_FAILURE"
    assert failure.message == "a bug in the program"
    assert failure.event_id == 4


async def test_every_closing_status_is_read(small: Small) -> None:
    """failed, canceled, terminated and running are told apart by the last event; what runs has no closing time."""
    app = small.app(Quiet())
    await app.result(await app.start("Fails", "why", part="failed"))
    canceled = await app.start("Waits", "", part="canceled")
    await canceled.handle.cancel()
    await app.result(canceled)
    terminated = await app.start("Waits", "", part="terminated")
    await terminated.handle.terminate()
    await app.start("Waits", "", part="running")
    runs = await read_workflows(small.client, small.run, small.operations)
    assert len(runs) == 4
    for run in runs:
        assert run.workflow_id.rpartition(".")[2] == run.status
        assert (run.closed is None) == (run.anatomy is None) == (run.status == "running")


async def test_what_two_workflows_were_started_with_can_be_compared(small: Small) -> None:
    """By a digest, equal where the input is; a child has none: many may be alike."""
    app = small.app(Quiet())
    for part, workflow, argument in (("a", "Echo", "x"), ("b", "Echo", "x"), ("c", "Echo", "y"), ("d", "Parent", "x")):
        await app.result(await app.start(workflow, argument, part=part))

    async def all_found() -> list[WorkflowRun]:
        runs = await read_workflows(small.client, small.run, small.operations)
        return runs if len(runs) == 5 else []

    digests = {
        run.workflow_id.removeprefix(app.iteration.prefix): run.input_digest for run in await eventually(all_found)
    }
    assert digests["a"] == digests["b"] != ""
    assert len({digests[part] for part in "abc"}) == 2
    assert [digest for part, digest in digests.items() if part not in "abcd"] == [""]


async def test_children_and_later_runs_are_found_by_prefix(small: Small) -> None:
    """A child, and both runs of a workflow that continued as new, belong to the iteration whose prefix they carry."""
    app = small.app(Quiet(), index=7)
    await app.result(await app.start("Parent", "hello", part="parent"))
    await app.result(await app.start("Twice", "first", part="twice"))

    async def all_found() -> list[WorkflowRun]:
        runs = await read_workflows(small.client, small.run, small.operations)
        return runs if len(runs) == 4 else []

    runs = await eventually(all_found)
    assert {(run.type, run.status) for run in runs} == {
        ("Parent", "completed"),
        ("Echo", "completed"),
        ("Twice", "continued_as_new"),
        ("Twice", "completed"),
    }
    assert {(run.scenario, run.iteration) for run in runs} == {("small-quiet", 7)}
    assert len({run.run_id for run in runs}) == 4
    assert runs == sorted(runs, key=lambda run: run.started)


async def test_a_workflow_the_server_does_not_know_is_left_out(small: Small) -> None:
    """An operation whose workflow does not exist brings no run: that is what "nothing lost" looks for."""
    await observed(small, "Echo")
    nowhere = msgspec.structs.replace(small.operations[0], workflow_id=f"{small.run}.small-quiet.9.main")
    (run,) = await read_workflows(small.client, small.run, [*small.operations, nowhere])
    assert run.iteration == 3


async def test_another_run_with_a_longer_name_is_not_this_run(small: Small) -> None:
    """A run whose id begins with this one's has its own workflows: the dot ends the prefix."""
    other = Small(small.client, small.task_queue, small.workspace, run=small.run + "-bare")
    await observed(other, "Echo")
    await eventually(lambda: _listed(small.client, other.run))
    assert await read_workflows(small.client, small.run, []) == []


async def _listed(client: Client, run: str) -> int:
    return (await client.count_workflows(f'WorkflowId STARTS_WITH "{run}"')).count


class Judged(Quiet):
    """Counts two rows an iteration, or what it is told; finds fault with the iterations it is told to, or breaks."""

    breaks = False

    def __init__(self, wrong: frozenset[int] = frozenset(), found: int = 2) -> None:
        self.wrong = wrong
        self.found = found
        self.asked: list[list[int]] = []
        self.checked: list[int] = []

    async def run(self, app: App, given: Any) -> None:
        await app.result(await app.start("Echo", "x"))

    async def observe(self, stores: Stores, iterations: Any) -> dict[int, list[Fact]]:
        self.asked.append([iteration.index for iteration in iterations])
        return {
            iteration.index: [
                Fact(
                    scenario=self.name,
                    iteration=iteration.index,
                    workflow_id=iteration.id("main"),
                    step="echo",
                    item="",
                    expected=2,
                    found=self.found,
                )
            ]
            for iteration in iterations
        }

    def check(self, given: Any, operations: Any, facts: Any) -> list[Finding]:
        index = operations[0].iteration
        if self.breaks:
            raise LookupError("odd")
        self.checked.append(index)
        assert len(facts) == 1
        return [Finding(problem="odd", message="as told")] if index in self.wrong else []


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> tuple[Target, Judged]:
    """A target of one scenario, and that scenario."""
    scenario = Judged()
    monkeypatch.setattr(f"{__name__}.SCENARIOS", [scenario])
    return a_target(), scenario


SCENARIOS: list[Judged] = []
CODE: list[type] = []


def replay() -> dict[str, Any]:
    """How the histories of this module's target are replayed."""
    return {"workflows": CODE}


def a_target(**keys: Any) -> Target:
    """A target that is described without a file; its scenarios are this module's."""
    file = TargetFile(
        name="t",
        task_queue="q",
        services=["temporal"],
        scenarios=f"{__name__}:SCENARIOS",
        worker=WorkerSection(command=["x"]),
        **keys,
    )
    return Target(Path(__file__).with_name("temper.toml"), file)


def verdicts(judgements: list[Judgement]) -> dict[str, Verdict]:
    return {judgement.invariant: judgement.verdict for judgement in judgements}


def iteration(run: str, index: int) -> Iteration:
    return Iteration(run=run, scenario=Quiet.name, index=index, seed=1, intended=0)


async def test_a_run_is_observed_judged_and_written(
    small: Small, judged: tuple[Target, Judged], tmp_path: Path
) -> None:
    """The end of a run asks each store once for all iterations, judges, and leaves records of everything in the run."""
    target, scenario = judged
    with Run.create(tmp_path / "results", kind="scenario", title="t", target="t", seed=1, command="t") as run:
        small.run = run.info.id
        for index in range(3):
            app = small.app(scenario, index=index)
            assert await drive(scenario, app) == []
        for operation in small.operations:
            run.write(operation)
        iterations = [iteration(run.info.id, index) for index in range(3)]
        judgements = await conclude(run, target, small.client, Stores(), iterations)
        recorded = Recorded(run.directory)
    assert scenario.asked == [[0, 1, 2]]
    assert scenario.checked == [0, 1, 2]
    assert recorded.read(Judgement) == judgements
    assert len(recorded.read(WorkflowRun)) == 3
    assert [fact.iteration for fact in recorded.read(Fact)] == [0, 1, 2]
    assert verdicts(judgements) == {
        "nothing lost": Verdict.VALID,
        "nothing doubled": Verdict.VALID,
        "every workflow closed": Verdict.VALID,
        "no workflow task failed": Verdict.VALID,
        "operations answered": Verdict.VALID,
        "small-quiet: its own check": Verdict.VALID,
    }


async def test_a_store_that_cannot_be_asked_is_told(
    small: Small, judged: tuple[Target, Judged], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the scenario's own query fails, the error says whose it was and why, and nothing is judged."""
    target, scenario = judged

    async def observe(*_: object) -> dict[int, list[Fact]]:
        message = "there is no table of votes"
        raise LookupError(message)

    monkeypatch.setattr(scenario, "observe", observe)
    with Run.create(tmp_path / "results", kind="scenario", title="t", target="t", seed=1, command="t") as run:
        with pytest.raises(NotObserved, match=f"observe of {Quiet.name} failed.* LookupError: there is no table"):
            await conclude(run, target, small.client, Stores(), [iteration(run.info.id, 0)])
        assert Recorded(run.directory).read(Judgement) == []


async def test_code_that_cannot_be_replayed_is_told(
    small: Small, judged: tuple[Target, Judged], tmp_path: Path
) -> None:
    """Where the target's own way of replaying fails, the error says so, as of its other functions."""
    _, scenario = judged
    target = a_target(replay=f"{__name__}:replay")  # of no workflows
    with Run.create(tmp_path / "results", kind="scenario", title="t", target="t", seed=1, command="t") as run:
        small.run = run.info.id
        await drive(scenario, small.app(scenario))
        run.write_all(small.operations)
        with pytest.raises(NotObserved, match="replay failed, so nothing was judged: ValueError"):
            await conclude(run, target, small.client, Stores(), [iteration(run.info.id, 0)])


async def test_an_unanswered_call_is_resolved_before_it_is_judged(
    small: Small, judged: tuple[Target, Judged], tmp_path: Path
) -> None:
    """What was info and turns out to have happened is written again as ok, and judged as such."""
    target, scenario = judged
    with Run.create(tmp_path / "results", kind="scenario", title="t", target="t", seed=1, command="t") as run:
        small.run = run.info.id
        await drive(scenario, small.app(scenario))
        start, result = small.operations
        run.write(msgspec.structs.replace(start, ack=Ack.INFO, acknowledged=None))
        run.write(msgspec.structs.replace(result, ack=Ack.INFO, acknowledged=None, status=None, closed=None))
        judgements = await conclude(run, target, small.client, Stores(), [iteration(run.info.id, 0)])
        operations = Recorded(run.directory).read(Operation)
    assert [(op.kind, op.ack, op.status) for op in operations] == [
        (Kind.START, Ack.OK, "completed"),
        (Kind.RESULT, Ack.OK, "completed"),
    ]
    assert verdicts(judgements)["operations answered"] is Verdict.VALID
    assert [(each.kind, each.event_id) for each in Recorded(run.directory).read(Discrepancy)] == [
        (DiscrepancyKind.UNACKNOWLEDGED, 1),
        (DiscrepancyKind.UNACKNOWLEDGED, None),
    ]


async def test_a_workflow_of_which_only_an_effect_is_known_is_found(small: Small) -> None:
    """Nobody here started it, and its id begins as no other's of the run."""
    start = (await observed(small, "Echo")).workflow_id
    told = Effect(
        workflow_id=start,
        step="s",
        item="",
        kind=EffectKind.FORWARD,
        run_id=None,
        attempt=None,
        transaction=None,
        committed_at=0,
        source=Source.WAL,
    )
    nowhere = msgspec.structs.replace(told, workflow_id=f"{small.run}.nowhere")
    (run,) = await read_workflows(small.client, "another", [], [told, nowhere])
    assert run.workflow_id == start


@pytest.mark.parametrize(("code", "verdict"), [(Echo, Verdict.VALID), (LateEcho, Verdict.INVALID)])
async def test_histories_are_replayed_with_todays_code(
    small: Small,
    judged: tuple[Target, Judged],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: type,
    verdict: Verdict,
) -> None:
    """As many as are to be, of those that ended; a target that does not say how is not asked."""
    target, scenario = judged
    assert not target.replays
    monkeypatch.setattr(f"{__name__}.CODE", [code])
    monkeypatch.setattr("harness.replaying.AT_MOST", 2)
    target = a_target(replay=f"{__name__}:replay")
    with Run.create(tmp_path / "results", kind="scenario", title="t", target="t", seed=1, command="t") as run:
        small.run = run.info.id
        for index in range(3):
            await drive(scenario, small.app(scenario, index=index))
        await small.app(Quiet(), index=9).start("Waits", "")
        run.write_all(small.operations)
        iterations = [iteration(run.info.id, index) for index in range(3)]
        judgements = await conclude(run, target, small.client, Stores(), iterations)
        replays = Recorded(run.directory).read(Replay)
        workflows = Recorded(run.directory).read(WorkflowRun)
    told = next(each for each in judgements if each.invariant == "histories replay")
    assert (told.verdict, told.checked) == (verdict, 2)
    assert len({each.run_id for each in replays} & {each.run_id for each in workflows if each.type == "Echo"}) == 2
    assert all(bool(each.differs) == (verdict is Verdict.INVALID) for each in replays)
    monkeypatch.setattr("harness.replaying.AT_MOST", 9)
    assert len(await replayed(small.client, target, run.info, workflows) or ()) == 3 < len(workflows)
    of_load = msgspec.structs.replace(run.info, kind="load")
    assert await replayed(small.client, target, of_load, workflows) is None


def an_operation(index: int, ack: Ack = Ack.OK) -> Operation:
    return Operation(
        scenario=Quiet.name,
        iteration=index,
        kind=Kind.START,
        name="Echo",
        workflow_id=iteration("r", index).id("main"),
        run_id=None,
        intended=0,
        sent=0,
        acknowledged=1,
        ack=ack,
    )


def judgement_of(target: Target, operations: list[Operation], **beside: Any) -> Judgement:
    iterations = [iteration("r", index) for index in range(3)]
    facts = [a_fact(index) for index in range(3)]
    records = Records(operations=operations, workflows=[], effects=None, facts=facts, iterations=iterations)
    judgements = judge(target, records, **beside)
    return next(each for each in judgements if each.invariant == "small-quiet: its own check")


def a_fact(index: int) -> Fact:
    return Fact(scenario=Quiet.name, iteration=index, workflow_id="w", step="s", item="i", expected=1, found=1)


def test_a_scenarios_own_check_is_a_judgement(judged: tuple[Target, Judged]) -> None:
    """What check finds in any iteration makes the scenario's judgement invalid, over all its iterations."""
    target, scenario = judged
    scenario.wrong = frozenset({1})
    judgement = judgement_of(target, [an_operation(index) for index in range(3)])
    assert (judgement.verdict, judgement.checked) == (Verdict.INVALID, 3)
    assert [finding.problem for finding in judgement.findings] == ["odd"]


def test_what_never_began_is_not_checked(judged: tuple[Target, Judged]) -> None:
    """An iteration none of whose calls was acknowledged has nothing to check: "operations answered" speaks of it."""
    target, scenario = judged
    some = judgement_of(target, [an_operation(0), an_operation(1, Ack.FAIL), an_operation(2, Ack.INFO)])
    assert scenario.checked == [0]
    assert (some.verdict, some.checked) == (Verdict.VALID, 1)
    none = judgement_of(target, [an_operation(index, Ack.FAIL) for index in range(3)])
    assert (none.verdict, none.checked) == (Verdict.UNKNOWN, 0)


def test_an_iteration_that_made_no_call_is_found(judged: tuple[Target, Judged]) -> None:
    """Of an iteration that was driven and recorded nothing, nothing is known: it must not count as good."""
    target, _ = judged
    judgement = judgement_of(target, [an_operation(0), an_operation(2)])
    assert [(f.problem, f.workflow_id) for f in judgement.findings] == [("silent", iteration("r", 1).prefix)]


def test_a_check_that_breaks_is_found(judged: tuple[Target, Judged]) -> None:
    """An error in a scenario's check is a finding of that scenario, and costs no other judgement."""
    target, scenario = judged
    scenario.breaks = True
    judgement = judgement_of(target, [an_operation(index) for index in range(3)])
    assert judgement.verdict is Verdict.INVALID
    assert {(f.problem, f.message) for f in judgement.findings} == {("broke", "check: LookupError('odd')")}


def test_what_broke_in_the_scenario_is_invalid(judged: tuple[Target, Judged]) -> None:
    """A finding of `drive` counts as one of the scenario's own check."""
    target, _ = judged
    broke = Finding(problem="broke", message="KeyError", workflow_id=iteration("r", 2).prefix)
    judgement = judgement_of(target, [an_operation(index) for index in range(3)], broken=[broke])
    assert judgement.verdict is Verdict.INVALID
    assert judgement.findings == (broke,)


def test_a_fault_that_nothing_met_makes_the_run_unknown(judged: tuple[Target, Judged]) -> None:
    """Where faults were planned, one more invariant says whether they bit; without any it is not asked."""
    target, _ = judged
    dull = FaultWindow(name="link_down", on="x", injected=1, healed=2, in_force=True, evidence="refused")
    nothing = Records(operations=[], workflows=[], effects=None, facts=[])
    without = verdicts(judge(target, nothing))
    with_fault = verdicts(judge(target, msgspec.structs.replace(nothing, faults=[dull])))
    assert "faults bit" not in without
    assert with_fault["faults bit"] is Verdict.UNKNOWN


def test_invariants_of_the_targets_own_are_judged_too(judged: tuple[Target, Judged]) -> None:
    """They see the same records, and their judgements stand beside the general ones; None of them is no judgement."""
    target, _ = judged

    def never(records: Records) -> Judgement:
        return as_judgement("never", len(records.operations), [Finding(problem="odd", message="as told")])

    target.invariants = [never, lambda _: None]
    records = Records(operations=[an_operation(0)], workflows=[], effects=None, facts=[])
    judgements = judge(target, records)
    assert [each.verdict for each in judgements if each.invariant == "never"] == [Verdict.INVALID]
    assert len(judgements) == len(applicable(records)) + 1
