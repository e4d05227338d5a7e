"""What is looked at after each test, whether or not it passed."""

import pytest
from foreign import run


def test_what_cannot_be_trusted_fails_though_it_passed(pytester: pytest.Pytester) -> None:
    """Other arguments on replay, and a workflow task that failed; each may be left out for a reason."""
    result = run(
        pytester,
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


def test_dynamic_definitions_and_interceptors_of_their_own(pytester: pytest.Pytester) -> None:
    """Whatever has no name is replayed as well, with the interceptors of client and worker."""
    pytester.makepyfile(
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
        pytester,
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


def test_a_workflow_that_fails_is_shown(pytester: pytest.Pytester) -> None:
    """As a note of its failure: here it waited until skipped time ran out."""
    result = run(
        pytester,
        """
@skips
async def test_stuck(temporal):
    async with temporal.worker(workflows=[Stuck]):
        await temporal.run(Stuck.run, id="stuck-1")
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*What its workflows did:*", "*stuck-1*workflow execution timed out*"])
