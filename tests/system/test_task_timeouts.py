"""A workflow task that a worker took with it is handed out again after 5 s, unless whoever starts it says otherwise."""

from datetime import timedelta

from running_system import App

from system.orders.models import StockCount
from system.orders.stocktake import Stocktake
from system.task_timeouts import TASK


async def test_a_start_names_the_timeout_of_its_tasks(app: App) -> None:
    """Ours, where it names none."""
    found = []
    for given in (None, timedelta(seconds=7)):
        handle = await app.client.start_workflow(
            Stocktake.run,
            StockCount(sku="thing", on_hand=1),
            id=f"timeouts-{given}-{app.settings.task_queue}",
            task_queue=f"nobody-{app.settings.task_queue}",
            task_timeout=given,
        )
        started = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
        found.append(started.workflow_task_timeout.ToTimedelta())
        await handle.terminate()
    assert found == [TASK, timedelta(seconds=7)]
