"""Where tests run: what they need, what nothing gives, what is forced or named."""

import pytest
from foreign import run, settle


def test_workflows_of_every_style_run_where_their_tests_need_it(pytester: pytest.Pytester) -> None:
    """Classes, functions, pydantic, children; skipped time, and a real server; a worker of their own making."""
    result = run(
        pytester,
        """
from harness.eventually import eventually
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import WorkerDeploymentConfig

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

@pytest.mark.temporal(versioning=True)
async def test_a_workflow_starts_on_the_build_that_is_current(temporal):
    config = WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name="shop", build_id="one"),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )
    current = SetWorkerDeploymentCurrentVersionRequest(
        namespace=temporal.client.namespace, deployment_name="shop", build_id="one"
    )
    async with temporal.worker(workflows=[Pause], activities=[charge], deployment_config=config):
        service = temporal.client.workflow_service  # hears of a build by its first poll
        await eventually(lambda: service.set_worker_deployment_current_version(current), timeout=30)
        pause = await temporal.start(Pause.run, 0)
        assert await pause.result() == "x paid 1"
        ran = (await pause.describe()).raw_description.workflow_execution_info.versioning_info
        assert ran.deployment_version.build_id == "one"

async def test_nothing_needed_is_a_real_server(temporal):
    assert (await temporal.client.count_workflows()).count == 0
    with pytest.raises(Exception, match="skip_time=True"):
        await temporal.sleep(timedelta(days=1))
""",
    )
    result.assert_outcomes(passed=7)


def test_what_no_environment_gives_is_said(pytester: pytest.Pytester) -> None:
    """At once, and with what to do; nothing hangs."""
    result = run(
        pytester,
        """
@pytest.mark.temporal(skip_time=True, schedules=True)
async def test_both(temporal): ...

@skips
async def test_lists(temporal):
    await temporal.client.count_workflows()

@skips
async def test_schedules(temporal):
    async for _ in await temporal.client.list_schedules():
        pass

@pytest.mark.temporal(deadline=5)
async def test_stuck(temporal):
    async with temporal.worker(workflows=[Stuck]):
        await temporal.run(Stuck.run, id="stuck-1")

class TestOpening:
    class Hangs(Plugin):
        async def connect_service_client(self, config, next):
            await asyncio.Event().wait()

        def configure_client(self, config):
            return config

    @pytest.fixture(scope="session")
    @classmethod
    def temporal_plugins(cls):
        return [cls.Hangs()]

    @pytest.fixture(autouse=True)
    def hurry(self, monkeypatch):
        monkeypatch.setattr("harness.deadlines.OPENING", 1)

    @skips
    async def test_opening(self, temporal): ...
""",
    )
    result.assert_outcomes(failed=3, errors=2)
    result.stdout.fnmatch_lines_random(
        [
            "*No environment gives skip_time, schedules at once*",
            "*The server that skips time counts no workflows. Mark the test @pytest.mark.temporal(visibility=True)*",
            "*The server that skips time has no schedules*",
            "*The test was not over within 5 s. What its workflows did:*",
            "*stuck-1*1*workflow execution started*",
            "*The opening of the environment was not over within 1 s*",
        ]
    )


@pytest.mark.thorough
def test_a_worker_that_does_not_go_down_leaves_the_next_test_alone(pytester: pytest.Pytester) -> None:
    """Whatever its activities do when they are cancelled, the test is over, and so are its loop and its server."""
    result = run(
        pytester,
        """
@activity.defn
async def stumble(failures):
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

@pytest.mark.temporal(skip_time=True, deadline=5)
async def test_late(temporal):
    async with temporal.worker(workflows=[Retrying], activities=[stumble]):
        await temporal.run(Retrying.run, [0])

@skips
async def test_next(temporal):
    async with temporal.worker(workflows=[Pause], activities=[charge]):
        assert await temporal.run(Pause.run, 0) == "x paid 1"
""",
    )
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*The test was not over within 5 s.*"])


def test_an_environment_can_be_forced(pytester: pytest.Pytester) -> None:
    """A test that it does not suit says so."""
    tests = """
@skips
async def test_skips(temporal): ...

async def test_any(temporal):
    assert temporal.environment.kind.name == "v1"
"""
    run(pytester, tests, "--temporal=v1").assert_outcomes(passed=2)
    result = run(pytester, tests, "--temporal=local")
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*The test needs skip_time, which --temporal=local does not give*"])


@pytest.mark.parametrize("mistyped", ["V1", "locl", "localhost", "localhost:", ":7233"])
def test_an_environment_that_there_is_not_is_refused(pytester: pytest.Pytester, mistyped: str) -> None:
    """Before any test runs, and not taken for an address."""
    result = pytester.runpytest_inprocess(f"--temporal={mistyped}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*There is no environment '{mistyped}'*", "*host:port, local, v1, v2*"])


@pytest.mark.thorough
def test_servers_of_others_serve_too(pytester: pytest.Pytester, temporal_address: str) -> None:
    """One that is named, and the experimental one, which gives all at once."""
    tests = """
@pytest.mark.temporal(visibility=True)
async def test_counts(temporal):
    async with temporal.worker(workflows=[Pause], activities=[charge]):
        assert await temporal.run(Pause.run, 0) == "x paid 1"
    assert (await temporal.client.count_workflows("WorkflowId = 'nobody'")).count == 0
"""
    run(pytester, tests, f"--temporal={temporal_address}").assert_outcomes(passed=1)
    skipping = """
@pytest.mark.temporal(skip_time=True, visibility=True)
async def test_skips(temporal):
    async with temporal.worker(workflows=[Pause], activities=[charge]):
        month = await temporal.start(Pause.run, 30)
        assert await month.result() == "x paid 1"
        assert await temporal.took(month) >= timedelta(days=30)
"""
    run(pytester, skipping, "--temporal=v2").assert_outcomes(passed=1)


@pytest.mark.parametrize(("marker", "said"), [("skip_tim=True", "not skip_tim"), ("True", "by name")])
def test_a_marker_that_means_nothing_is_refused(pytester: pytest.Pytester, marker: str, said: str) -> None:
    """Before any test runs."""
    settle(pytester)
    pytester.makepyfile(f"import pytest\n@pytest.mark.temporal({marker})\nasync def test_it(temporal): ...\n")
    result = pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*@pytest.mark.temporal takes deadline,*{said}*"])
