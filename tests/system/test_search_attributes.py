"""Workflows are found by domain, by tenant, and by whether they are paused."""

import pytest
from running_system import App, Write
from skipping import skipping
from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from harness.eventually import eventually
from system.control.pausable import PAUSE, Order
from system.pipeline.activities import PipelineActivities
from system.pipeline.models import LoadReport, LoadRequest
from system.pipeline.schema import Schema
from system.pipeline.workflow import Pipeline
from system.records import Record
from system.search_attributes import DOMAIN, PAUSED, TENANT, described

ORDER = Order(by="an operator", reason="a look around")
OTHER = SearchAttributeKey.for_keyword("Other")


class Request(Record):
    """An input that names its tenant."""

    tenant: str = "acme"


@pytest.fixture
async def paused(app: App, write: Write, people: Schema) -> WorkflowHandle[Pipeline, LoadReport]:
    """A load that is paused from its start."""
    return await app.client.start_workflow(
        Pipeline.run,
        LoadRequest(sources=(str(write(b"name,age\nann,1\n")),), schema=people),
        id=f"paused-{app.settings.task_queue}",
        task_queue=app.settings.task_queue,
        start_signal=PAUSE,
        start_signal_args=[ORDER],
    )


async def test_a_paused_load_is_found_by_its_domain(app: App, paused: WorkflowHandle[Pipeline, LoadReport]) -> None:
    """A query for what is paused in a domain finds it, and no longer once it goes on."""
    query = f"{DOMAIN.name} = 'pipeline' AND {PAUSED.name} = true AND WorkflowId = '{paused.id}'"

    async def count(wanted: int) -> bool:
        return (await app.client.count_workflows(query)).count == wanted

    await eventually(lambda: count(1), timeout=20)
    await paused.signal(Pipeline.resume, ORDER)
    await paused.result()
    await eventually(lambda: count(0), timeout=20)


async def test_what_was_never_paused_is_found_as_not_paused(
    app: App, paused: WorkflowHandle[Pipeline, LoadReport], write: Write, people: Schema
) -> None:
    """The query by which an operator chooses what to pause finds a load that nobody has paused yet, and that alone."""
    running = await app.start(write(b"name,age\nbob,2\n"), people)
    query = f"{DOMAIN.name} = 'pipeline' AND {PAUSED.name} = false AND TaskQueue = '{app.settings.task_queue}'"

    async def found() -> set[str]:
        return {one.id async for one in app.client.list_workflows(query)}

    async def only_the_running() -> bool:
        return await found() == {running.id}

    await eventually(only_the_running, timeout=20)
    await paused.signal(Pipeline.resume, ORDER)
    await paused.result()


async def test_time_skipping_knows_them_too(activities: PipelineActivities, write: Write, people: Schema) -> None:
    """A load runs to its end on the server that skips time, attributes and all."""
    async with skipping(activities.all) as temporal:
        request = LoadRequest(sources=(str(write(b"name,age\nann,1\n")),), schema=people)
        report = await temporal.run(Pipeline.run, request)
    assert report.rows_loaded == 1


def test_the_tenant_is_read_from_the_input() -> None:
    """A workflow of a domain gets domain and tenant; what the caller gave stays, and wins."""
    given = TypedSearchAttributes([SearchAttributePair(TENANT, "other"), SearchAttributePair(OTHER, "x")])
    attributes = described("orders.Order", [Request()], None)
    beside = described("orders.Order", [Request()], given)
    assert isinstance(attributes, TypedSearchAttributes)
    assert isinstance(beside, TypedSearchAttributes)
    assert {pair.key.name: pair.value for pair in attributes} == {
        DOMAIN.name: "orders",
        TENANT.name: "acme",
        PAUSED.name: False,
    }
    assert {pair.key.name: pair.value for pair in beside} == {
        DOMAIN.name: "orders",
        TENANT.name: "other",
        PAUSED.name: False,
        OTHER.name: "x",
    }


def test_others_workflows_are_left_alone() -> None:
    """A type without a domain in its name is not ours."""
    assert described("Echo", [Request()], None) is None
