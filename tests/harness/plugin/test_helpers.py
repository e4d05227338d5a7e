"""What a test is handed: faults, the wire, attempts, the outside world."""

import pytest
from foreign import run


def test_a_fault_is_one_line(pytester: pytest.Pytester) -> None:
    """It reaches every worker made from the client; without it there is no interceptor; in vain, it fails the test."""
    result = run(
        pytester,
        """
@skips
async def test_a_completion_is_lost(temporal):
    temporal.faults.at("charge").after_commit()
    async with temporal.worker(workflows=[Pause], activities=[charge]):
        pause = await temporal.start(Pause.run, 0)
        assert await pause.result() == "x paid 1"
    (bite,) = temporal.faults.bitten()
    assert (bite.workflow_id, bite.activity, bite.attempt, bite.point) == (pause.id, "charge", 1, "after")

@skips
async def test_a_worker_of_their_own(temporal):
    temporal.faults.at("charge").before()
    async with Worker(temporal.client, task_queue="own", workflows=[Pause], activities=[charge]):
        assert await temporal.run(Pause.run, 0, task_queue="own") == "x paid 1"

@skips
async def test_without_there_is_no_interceptor(temporal):
    async with temporal.worker(workflows=[Pause], activities=[charge]) as worker:
        interceptors = worker.config(active_config=True)["interceptors"]
        assert [type(one).__name__ for one in interceptors] == ["NotingRuns", "NotingAttempts"]

@skips
async def test_too_late(temporal):
    async with temporal.worker(workflows=[Pause], activities=[charge]):
        temporal.faults.at("charge", attempt=range(1, 3)).before()
        await temporal.run(Pause.run, 0)

@pytest.mark.temporal(skip_time=True, unbitten="there is no second attempt")
async def test_in_vain_on_purpose(temporal):
    temporal.faults.at("charge", attempt=2).before()
    async with temporal.worker(workflows=[Pause], activities=[charge]):
        await temporal.run(Pause.run, 0)
""",
    )
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(
        ["*a fault was armed and never bit: raise before charge, attempt 1 to 2 (a worker has*"]
    )


def test_the_wire_is_one_line(pytester: pytest.Pytester) -> None:
    """The client and every worker pass it from then on; a rule that nothing met fails the test."""
    result = run(
        pytester,
        """
import grpc
from temporalio.service import RPCError

@skips
async def test_a_completion_is_lost(temporal):
    wire = await temporal.wire()
    gone = {"times": None, "code": grpc.StatusCode.NOT_FOUND}
    lost = wire.lose_request("RespondActivityTaskCompleted", activity="stumble", attempt=1, **gone)
    async with temporal.worker(workflows=[Retrying], activities=[stumble]):
        retrying = await temporal.start(Retrying.run, [0], 1)
        assert (await retrying.result())[0] >= 2
    assert [(each.activity, each.attempt) for each in temporal.attempts][:2] == [("stumble", 1), ("stumble", 2)]
    assert {bite.about.workflow_id for bite in lost.bitten} == {retrying.id}

@pytest.mark.temporal(visibility=True)
async def test_a_start_may_have_happened(temporal):
    (await temporal.wire()).lose_response("StartWorkflowExecution", workflow_id="heard", code=None)
    async with Worker(temporal.client, task_queue="own", workflows=[Pause], activities=[charge]):
        with pytest.raises(RPCError):
            await temporal.start(Pause.run, 0, id="heard", task_queue="own", rpc_timeout=timedelta(seconds=1))
        (await temporal.wire()).heal()
        assert await temporal.client.get_workflow_handle("heard").result() == "x paid 1"
    assert [history.workflow_id for history in await temporal.histories()] == ["heard"]

@skips
async def test_in_vain(temporal):
    async with temporal.worker(workflows=[Pause], activities=[charge]):
        wire = await temporal.wire()
        wire.delay("RespondActivityTaskCompleted", 1, activity="charge")
        await temporal.run(Pause.run, 0)
        wire.heal()

@pytest.mark.temporal(skip_time=True, unbitten="there is no such signal")
async def test_in_vain_on_purpose(temporal):
    (await temporal.wire()).lose_request("SignalWorkflowExecution", signal="none")
""",
    )
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        ["*a rule of the wire never bit: delay RespondActivityTaskCompleted (activity='charge') (what is connected*"]
    )


def test_attempts_are_told_and_called_one_by_one(pytester: pytest.Pytester) -> None:
    """By workers, with the time between them; and without a server, with the project's converter."""
    result = run(
        pytester,
        """
from harness.errors import UnknownName

@skips
async def test_retries_are_arithmetic(temporal):
    async with temporal.worker(workflows=[Retrying], activities=[stumble]):
        retrying = await temporal.start(Retrying.run, [2, 0, 1])
        assert await retrying.result() == [3, 1, 2]
    near, hour = timedelta(seconds=5), timedelta(hours=1)
    assert temporal.gaps(retrying, "stumble") == pytest.approx([hour, 2 * hour], abs=near)
    assert temporal.gaps(retrying, "stumble", call=2) == []
    assert temporal.gaps(retrying, "stumble", call=3) == pytest.approx([hour], abs=near)
    assert await temporal.took(retrying) == pytest.approx(4 * hour, abs=near)
    assert not any(each.is_open for each in temporal.attempts)
    with pytest.raises(UnknownName, match="Did you mean 'stumble'"):
        temporal.gaps(retrying, "stumbl")
    with pytest.raises(ValueError, match="3 times"):
        temporal.gaps(retrying, "stumble", call=4)

async def test_one_attempt(temporal_attempt):
    @activity.defn
    async def bill(cents):
        activity.heartbeat(Decimal(cents))

    attempt = temporal_attempt(2)
    assert attempt.info.attempt == 2
    await attempt.run(bill, 5)
    assert attempt.heartbeats == [("5",)]
""",
    )
    result.assert_outcomes(passed=2)


def test_the_outside_knows_whose_call_it_is(pytester: pytest.Pytester) -> None:
    """A retry inside a retry is seen by nobody else; it fails the test that rules it out."""
    pytester.makepyfile(
        paying="""
import asyncio
from datetime import timedelta
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from temporalio import activity, workflow


def post(url):
    try:
        with urlopen(Request(url, data=activity.info().workflow_id.encode())) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


@activity.defn
async def insist(url: str) -> int:
    \"\"\"The planted bug: it retries by itself what Temporal retries.\"\"\"
    for _ in range(2):
        if (status := await asyncio.to_thread(post, url)) < 500:
            return status
    raise RuntimeError("no luck")


@workflow.defn
class Pays:
    @workflow.run
    async def run(self, url: str) -> int:
        return await workflow.execute_activity(insist, url, start_to_close_timeout=timedelta(seconds=10))
"""
    )
    result = run(
        pytester,
        """
from paying import Pays, insist

@skips
async def test_calls_are_counted_by_attempt(temporal):
    temporal.outside.on("POST /pay").answer(503).answer(503).answer(201)
    async with temporal.worker(workflows=[Pays], activities=[insist]):
        pays = await temporal.start(Pays.run, f"{temporal.outside.url}/pay")
        assert await pays.result() == 201
    assert temporal.outside.per_attempt("POST /pay") == [2, 1]
    assert [call.attempt.attempt for call in temporal.outside.calls] == [1, 1, 2]

@skips
async def test_repeats_are_ruled_out(temporal):
    temporal.outside.on("POST /pay").answer(503).answer(201)
    temporal.outside.once_per_attempt()
    async with temporal.worker(workflows=[Pays], activities=[insist]):
        await temporal.run(Pays.run, f"{temporal.outside.url}/pay", id="payer")
""",
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*insist, attempt 1, of 'payer' made the same request 2 times: POST /pay"])
