"""The pytest plugin, used by a project that knows nothing of this one."""

import pytest

WORKFLOWS = '''
import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel


QUICK = {"start_to_close_timeout": timedelta(seconds=10)}


class Invoice(BaseModel):
    customer: str
    cents: int


@dataclass
class Parcel:
    to: str


@activity.defn
async def charge(invoice: Invoice) -> str:
    return f"{invoice.customer} paid {invoice.cents}"


class Carrier:
    """Activities that are methods, and no coroutines."""

    def __init__(self, name: str) -> None:
        self.name = name

    @activity.defn
    def send(self, parcel: Parcel) -> str:
        return f"{self.name} to {parcel.to}"


@workflow.defn
class Shipment:
    @workflow.run
    async def run(self, parcel: Parcel) -> str:
        return await workflow.execute_activity_method(
            Carrier.send, parcel, start_to_close_timeout=timedelta(seconds=10)
        )


@workflow.defn
class Order:
    def __init__(self) -> None:
        self.approved = False

    @workflow.run
    async def run(self, invoice: Invoice) -> str:
        await workflow.wait_condition(lambda: self.approved, timeout=timedelta(days=30))
        paid = await workflow.execute_activity(charge, invoice, start_to_close_timeout=timedelta(seconds=10))
        sent = await workflow.execute_child_workflow(Shipment.run, Parcel(to=invoice.customer))
        return f"{paid}; {sent}"

    @workflow.update
    async def approve(self) -> str:
        await workflow.sleep(timedelta(hours=1))
        self.approved = True
        return "approved"


@workflow.defn
class Pause:
    @workflow.run
    async def run(self, days: float) -> str:
        await workflow.sleep(timedelta(days=days))
        return await workflow.execute_activity(charge, Invoice(customer="x", cents=1), **QUICK)


@activity.defn
async def stumble(failures: int) -> int:
    attempt = activity.info().attempt
    if attempt <= failures:
        raise RuntimeError("stumbled")
    return attempt


@workflow.defn
class Retrying:
    @workflow.run
    async def run(self, failures: list[int], seconds: float = 10) -> list[int]:
        how = {
            "retry_policy": RetryPolicy(initial_interval=timedelta(hours=1), backoff_coefficient=2),
            "start_to_close_timeout": timedelta(seconds=seconds),
        }
        return [await workflow.execute_activity(stumble, each, **how) for each in failures]


@workflow.defn
class Stuck:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


@workflow.defn
class Counting:
    def __init__(self) -> None:
        self.count, self.finished = 0, False

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.finished)
        return self.count

    @workflow.update
    async def add(self) -> int:
        self.count += 1
        return self.count

    @workflow.signal
    def finish(self) -> None:
        self.finished = True


starts = 0


@workflow.defn(sandboxed=False)
class Unsteady:
    """Says something else each time it runs; Temporal's own replay finds nothing."""

    @workflow.run
    async def run(self) -> str:
        global starts
        starts += 1
        return await workflow.execute_activity(charge, Invoice(customer="x", cents=starts), **QUICK)


failures = 0


@workflow.defn(sandboxed=False)
class Stumbling:
    """Its first workflow task fails, and it ends well all the same."""

    @workflow.run
    async def run(self) -> str:
        global failures
        failures += 1
        if failures == 1:
            raise RuntimeError("stumbled")
        return "well"
'''

CONFTEST = """
import pytest
from temporalio.contrib.pydantic import pydantic_data_converter


@pytest.fixture(scope="session")
def temporal_options():
    return {"data_converter": pydantic_data_converter}
"""

HEAD = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from temporalio.client import Client
from temporalio.worker import Worker
from theirs import *

skips = pytest.mark.temporal(skip_time=True)
INVOICE = Invoice(customer="ann", cents=100)
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with workflows of its own."""
    pytester.makepyfile(theirs=WORKFLOWS)
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    return pytester


def run(project: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    """Run these tests in a process of their own."""
    project.makepyfile(test_theirs=HEAD + tests)
    return project.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider", *options, timeout=100)


def test_workflows_of_every_style_run_where_their_tests_need_it(project: pytest.Pytester) -> None:
    """Classes, functions, pydantic, children; skipped time, and a real server; a worker of their own making."""
    result = run(
        project,
        """
@skips
async def test_a_month_passes(temporal):
    async with temporal.worker(
        workflows=[Order, Shipment], activities=[charge, Carrier("post").send], activity_executor=ThreadPoolExecutor(2)
    ):
        order = await temporal.start(Order.run, INVOICE)
        assert await order.execute_update(Order.approve) == "approved"
        assert await order.result() == "ann paid 100; post to ann"
        assert timedelta(hours=1) <= await temporal.took(order) < timedelta(hours=1, minutes=1)

@skips
async def test_any_handle_skips_time_and_any_number_at_once(temporal):
    async with Worker(temporal.client, task_queue="own", workflows=[Pause], activities=[charge]):
        for number in range(10):
            await temporal.start(Pause.run, number, id=f"pause-{number}", task_queue="own")
        handles = [temporal.client.get_workflow_handle(f"pause-{number}") for number in range(10)]
        assert await asyncio.gather(*(handle.result() for handle in handles)) == ["x paid 1"] * 10

@skips
async def test_updates_of_what_has_no_timer_skip_nothing(temporal):
    async with temporal.worker(workflows=[Counting]):
        counting = await temporal.start(Counting.run)
        assert [await counting.execute_update(Counting.add) for _ in range(3)] == [1, 2, 3]
        await counting.signal(Counting.finish)
        assert await counting.result() == 3
        assert await temporal.took(counting) < timedelta(minutes=1)

@skips
async def test_time_passes_as_told(temporal):
    before = await temporal.now()
    await temporal.sleep(timedelta(days=3))
    assert timedelta(days=3) <= await temporal.now() - before < timedelta(days=3, minutes=1)

@pytest.mark.temporal(visibility=True, schedules=True)
async def test_a_real_server_has_a_namespace_for_each_test(temporal):
    assert (await temporal.client.count_workflows()).count == 0
    async with temporal.worker(workflows=[Pause], activities=[charge]):
        assert await temporal.run(Pause.run, 0) == "x paid 1"

async def test_nothing_needed_is_a_real_server(temporal):
    assert (await temporal.client.count_workflows()).count == 0
    with pytest.raises(Exception, match="skip_time=True"):
        await temporal.sleep(timedelta(days=1))
""",
    )
    result.assert_outcomes(passed=6)


def test_dynamic_definitions_and_interceptors_of_their_own(project: pytest.Pytester) -> None:
    """Whatever has no name is replayed as well, with the interceptors of client and worker."""
    project.makepyfile(
        dynamic="""
from collections.abc import Sequence
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RawValue
from temporalio.worker import Interceptor, WorkflowInboundInterceptor, WorkflowOutboundInterceptor

LIMIT = {"start_to_close_timeout": timedelta(seconds=10)}
drawn = 0


@activity.defn(dynamic=True)
async def anything(arguments: Sequence[RawValue]) -> str:
    given = [activity.payload_converter().from_payload(each.payload, str) for each in arguments]
    return f"{activity.info().activity_type} {' '.join(given)}"


@workflow.defn(dynamic=True)
class Whatever:
    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self, arguments: Sequence[RawValue]) -> str:
        await workflow.wait_condition(lambda: bool(self.heard))
        local = await workflow.execute_local_activity("look", self.heard[0], **LIMIT)
        return await workflow.execute_activity("do", local, **LIMIT)

    @workflow.signal(dynamic=True)
    def hear(self, name: str, arguments: Sequence[RawValue]) -> None:
        self.heard.append(name)

    @workflow.query(dynamic=True)
    def tell(self, name: str, arguments: Sequence[RawValue]) -> int:
        return len(self.heard)


@workflow.defn(dynamic=True, sandboxed=False)
class Unsteady:
    @workflow.run
    async def run(self, arguments: Sequence[RawValue]) -> str:
        global drawn
        drawn += 1
        return await workflow.execute_activity("do", str(drawn), **LIMIT)


class Politely(Interceptor):
    def workflow_interceptor_class(self, _):
        return Inbound


class Inbound(WorkflowInboundInterceptor):
    def init(self, outbound):
        super().init(Outbound(outbound))


class Outbound(WorkflowOutboundInterceptor):
    def start_activity(self, given):
        given.args = [f"please, {given.args[0]}"]
        return super().start_activity(given)
"""
    )
    result = run(
        project,
        """
from dynamic import Politely, Unsteady, Whatever, anything

@skips
async def test_it_does_whatever(temporal):
    async with Worker(
        temporal.client, task_queue="own", workflows=[Whatever], activities=[anything], interceptors=[Politely()]
    ):
        handle = await temporal.start("Sell", "tea", task_queue="own", result_type=str)
        await handle.signal("loudly")
        assert await handle.result() == "do please, look loudly"
        assert await handle.query("how many") == 1

@skips
async def test_unsteady(temporal):
    async with temporal.worker(workflows=[Unsteady], activities=[anything]):
        await temporal.run("Sell")
""",
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Sell*does not command what it did: 1 of 2 commands differ*"])


def test_what_cannot_be_trusted_fails_though_it_passed(project: pytest.Pytester) -> None:
    """Other arguments on replay, and a workflow task that failed; each may be left out for a reason."""
    result = run(
        project,
        """
@skips
async def test_unsteady(temporal):
    async with temporal.worker(workflows=[Unsteady], activities=[charge]):
        await temporal.run(Unsteady.run)

@skips
async def test_stumbling(temporal):
    async with temporal.worker(workflows=[Stumbling]):
        assert await temporal.run(Stumbling.run, id="stumbler") == "well"

@pytest.mark.temporal(skip_time=True, unreplayed="its price is drawn anew on purpose")
async def test_unsteady_on_purpose(temporal):
    async with temporal.worker(workflows=[Unsteady], activities=[charge]):
        await temporal.run(Unsteady.run)

@pytest.mark.temporal(skip_time=True, failed_tasks="it stumbles on purpose")
async def test_stumbling_on_purpose(temporal):
    import theirs
    theirs.failures = 0
    async with temporal.worker(workflows=[Stumbling]):
        await temporal.run(Stumbling.run)
""",
    )
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        ["*Unsteady*does not command what it did: 1 of 2 commands differ*", "*cents*then 1*now 2*"]
    )
    result.stdout.fnmatch_lines(
        ["*'stumbler': a workflow task failed, event 4: workflow_worker_unhandled_failure: stumbled*"]
    )


def test_a_fault_is_one_line(project: pytest.Pytester) -> None:
    """It reaches every worker made from the client; without it there is no interceptor; in vain, it fails the test."""
    result = run(
        project,
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
        assert [type(one).__name__ for one in interceptors] == ["NotingAttempts"]

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


def test_the_wire_is_one_line(project: pytest.Pytester) -> None:
    """The client and every worker pass it from then on; a rule that nothing met fails the test."""
    result = run(
        project,
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


def test_attempts_are_told_and_called_one_by_one(project: pytest.Pytester) -> None:
    """By workers, with the time between them; and without a server, with the project's converter."""
    result = run(
        project,
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


def test_the_outside_knows_whose_call_it_is(project: pytest.Pytester) -> None:
    """A retry inside a retry is seen by nobody else; it fails the test that rules it out."""
    project.makepyfile(
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
        project,
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


def test_what_no_environment_gives_is_said(project: pytest.Pytester) -> None:
    """At once, and with what to do; nothing hangs."""
    result = run(
        project,
        """
@pytest.mark.temporal(skip_time=True, schedules=True)
async def test_both(temporal): ...

@skips
async def test_lists(temporal):
    await temporal.client.count_workflows()

@skips
async def test_schedules(temporal):
    await temporal.client.list_schedules()

@pytest.mark.temporal(deadline=5)
async def test_stuck(temporal):
    async with temporal.worker(workflows=[Stuck]):
        await temporal.run(Stuck.run, id="stuck-1")
""",
    )
    result.assert_outcomes(failed=3, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*No environment gives skip_time, schedules at once*",
            "*The server that skips time counts no workflows. Mark the test @pytest.mark.temporal(visibility=True)*",
            "*The server that skips time has no schedules*",
            "*The test was not over within 5 s. What its workflows did:*",
            "*stuck-1*1*workflow execution started*",
        ]
    )


def test_an_environment_can_be_forced(project: pytest.Pytester) -> None:
    """A test that it does not suit says so."""
    tests = """
@skips
async def test_skips(temporal): ...

async def test_any(temporal):
    assert temporal.environment.kind.name == "v1"
"""
    run(project, tests, "--temporal=v1").assert_outcomes(passed=2)
    result = run(project, tests, "--temporal=local")
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*The test needs skip_time, which --temporal=local does not give*"])


def test_a_workflow_that_fails_is_shown(project: pytest.Pytester) -> None:
    """As a note of its failure: here it waited until skipped time ran out."""
    result = run(
        project,
        """
@skips
async def test_stuck(temporal):
    async with temporal.worker(workflows=[Stuck]):
        await temporal.run(Stuck.run, id="stuck-1")
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*What its workflows did:*", "*stuck-1*workflow execution timed out*"])


def test_servers_of_others_serve_too(project: pytest.Pytester, temporal_address: str) -> None:
    """One that is named, and the experimental one, which gives all at once."""
    tests = """
@pytest.mark.temporal(visibility=True)
async def test_counts(temporal):
    async with temporal.worker(workflows=[Pause], activities=[charge]):
        assert await temporal.run(Pause.run, 0) == "x paid 1"
    assert (await temporal.client.count_workflows("WorkflowId = 'nobody'")).count == 0
"""
    run(project, tests, f"--temporal={temporal_address}").assert_outcomes(passed=1)
    skipping = """
@pytest.mark.temporal(skip_time=True, visibility=True)
async def test_skips(temporal):
    async with temporal.worker(workflows=[Pause], activities=[charge]):
        month = await temporal.start(Pause.run, 30)
        assert await month.result() == "x paid 1"
        assert await temporal.took(month) >= timedelta(days=30)
"""
    run(project, skipping, "--temporal=v2").assert_outcomes(passed=1)


@pytest.mark.parametrize(("marker", "said"), [("skip_tim=True", "not skip_tim"), ("True", "by name")])
def test_a_marker_that_means_nothing_is_refused(project: pytest.Pytester, marker: str, said: str) -> None:
    """Before any test runs."""
    project.makepyfile(f"import pytest\n@pytest.mark.temporal({marker})\nasync def test_it(temporal): ...\n")
    result = project.runpytest_inprocess("-p", "no:randomly", "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*@pytest.mark.temporal takes deadline,*{said}*"])
