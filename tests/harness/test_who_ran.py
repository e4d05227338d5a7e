"""After a test, the histories are looked at of all that its workers ran, each with the code of the worker that did."""

import secrets

import pytest
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec
from temporalio.worker import Worker
from wavering_workflows import NotPausing, Pausing, Wavering

from harness.eventually import eventually
from harness.temporal_test import Temporal, Unreplayed, Untrustworthy

pytestmark = pytest.mark.usefixtures("temporal_dev_server")  # it is asynchronous here, and must be there first
LOOKED_AT = pytest.mark.temporal(unreplayed="it is looked at by the test itself")


async def told(temporal: Temporal) -> list[str]:
    """What every check tells, also one that the test's marker leaves out, by the workflows it is about."""
    try:
        await Temporal(temporal.environment, temporal._watched).check()
    except Untrustworthy as found:
        return [line.partition(" (run ")[0] for line in str(found).splitlines() if not line.startswith(" ")]
    return []


async def test_two_queues_have_a_workflow_of_one_name(temporal: Temporal) -> None:
    """Each replays with the code of its own queue, whichever worker was made last."""
    async with (
        temporal.worker(workflows=[Pausing]),
        temporal.worker(workflows=[NotPausing], task_queue=f"{temporal.task_queue}-other"),
    ):
        await temporal.run("Pausing")
        await temporal.run("Pausing", task_queue=f"{temporal.task_queue}-other")
    assert await told(temporal) == []


async def test_a_worker_came_after_another_on_its_queue(temporal: Temporal) -> None:
    """What the first ran need not replay with the code of the second."""
    for workflow in (Pausing, NotPausing):
        async with temporal.worker(workflows=[workflow]):
            await temporal.run("Pausing")
    assert await told(temporal) == []


@LOOKED_AT
async def test_an_id_was_used_again(temporal: Temporal) -> None:
    """The earlier run is looked at too."""
    async with temporal.worker(workflows=[Wavering]):
        for wavers in (True, False):
            await temporal.run(Wavering.run, wavers, id="used-again")
    assert len(await temporal.histories()) == 2
    assert await told(temporal) == ["Wavering 'used-again'"]


@LOOKED_AT
async def test_a_schedule_started_it(temporal: Temporal) -> None:
    """It is there before anybody works on it, and looked at though its schedule is gone."""
    action = ScheduleActionStartWorkflow(Wavering.run, True, id="scheduled", task_queue=temporal.task_queue)
    schedule = await temporal.client.create_schedule(
        secrets.token_hex(4), Schedule(action=action, spec=ScheduleSpec()), trigger_immediately=True
    )
    await eventually(temporal.histories, timeout=30)
    (history,) = await temporal.histories()
    async with temporal.worker(workflows=[Wavering]):
        await temporal.client.get_workflow_handle(history.workflow_id).result()
    await schedule.delete()
    assert await told(temporal) == [f"Wavering {history.workflow_id!r}"]


@LOOKED_AT
async def test_a_worker_nobody_knows_of_ran_it(temporal: Temporal) -> None:
    """Whether it replays is not known, and that is told; what nobody ran is not doubted."""
    config = temporal.client.service_client.config
    own = await Client.connect(config.target_host, namespace=temporal.client.namespace)
    await temporal.start(Wavering.run, True, id="never-run", task_queue="nobody")
    async with Worker(own, task_queue=temporal.task_queue, workflows=[Wavering]):
        await temporal.run(Wavering.run, True, id="elsewhere")
    with pytest.warns(Unreplayed, match="Wavering 'elsewhere' was not replayed") as warned:
        assert await told(temporal) == []
    assert [each.category for each in warned].count(Unreplayed) == 1
