"""An item that failed for good has a dead letter, and is run again from it."""

from pathlib import Path

from batches import checksum, start
from running_system import App

from system.dead_letters import listing
from system.dead_letters.models import Filter, Letter, RedriveRequest
from system.dead_letters.workflow import Redrive
from system.tasks.models import RUN, BatchReport, Item


async def letters(app: App) -> list[Letter]:
    async with app.database.acquire() as connection:
        return await listing.find(connection, Filter(activity_type=RUN), limit=10)


async def test_a_failed_item_is_redriven_alone(app: App, tmp_path: Path) -> None:
    """Its letter names it; once its file is there, a batch of just this item is done, and the letter resolved."""
    path = tmp_path / "late"
    failing = Item(key="late", handler="file.checksum", input={"path": str(path)}, needs=("before",), priority=2)
    handle = await start(app, [checksum("before"), failing, checksum("after", needs=("late",))])
    report = await handle.result()
    assert (report.done, report.failed, report.skipped) == (1, 1, 1)
    (letter,) = await letters(app)
    assert (letter.item, letter.error_type, letter.workflow_id) == ("late", "SourceMissing", handle.id)
    path.write_text("here it is")
    redriven = await app.client.execute_workflow(
        Redrive.run,
        RedriveRequest(letters=(letter.id,), by="ann", reason="the file has come"),
        id=f"redrive-{app.settings.task_queue}",
        task_queue=app.settings.task_queue,
    )
    assert redriven.redriven == 1
    (resolved,) = await letters(app)
    assert resolved.redrive_workflow_id is not None
    handle = app.client.get_workflow_handle(resolved.redrive_workflow_id, result_type=BatchReport)
    again: BatchReport = await handle.result()
    assert (again.items, again.done) == (1, 1)
    assert (await letters(app))[0].state == "resolved"
    priority = "SELECT min(priority) = 2 FROM task_items WHERE key = 'late'"
    assert await app.database.fetchval(priority)
