"""Batches on real servers, as a user sees them."""

from batches import checksum, posting, reasons, start, states
from running_system import App


async def test_every_item_is_done_or_failed_for_a_reason(app: App) -> None:
    """Items that fail for good stop no other; the report counts what the database holds."""
    items = [posting("a", 1), posting("none", 0), checksum("c"), posting("b", 2)]
    handle = await start(app, items)
    report = await handle.result()
    assert (report.items, report.done, report.failed, report.skipped, report.cancelled) == (4, 3, 1, 0, 0)
    assert await states(app, handle) == {"a": "done", "none": "failed", "c": "done", "b": "done"}
    assert await reasons(app, handle) == {"none": "TaskRejected: nothing to post to a: expected an amount other than 0"}
    assert await app.database.fetchval("SELECT sum(amount) FROM task_entries WHERE workflow_id = $1", handle.id) == 3


async def test_what_needs_a_failed_item_is_skipped(app: App) -> None:
    """Directly or not; and what needs only good ones is done, each after those it needs."""
    items = [
        checksum("last", needs=("middle", "good")),
        checksum("middle", needs=("bad",)),
        posting("bad", 0),
        posting("good"),
        posting("after", needs=("good",)),
    ]
    handle = await start(app, items)
    report = await handle.result()
    assert (report.done, report.failed, report.skipped) == (2, 1, 2)
    told = await reasons(app, handle)
    assert told["middle"] == told["last"] == "it needs bad, which failed"
    order = await app.database.fetch("SELECT key FROM task_items WHERE state = 'done' ORDER BY taken_at")
    assert [row["key"] for row in order] == ["good", "after"]
