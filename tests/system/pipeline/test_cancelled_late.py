"""A load that is cancelled when its end is decided already: it ends as what the database holds."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from running_system import App, Write
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from system.pipeline.activities import PipelineActivities
from system.pipeline.schema import Schema
from system.pipeline.workflow import Pipeline

FILE = b"name,age\nann,1\nbob,2\n"


class Disk:
    """Where decoded files are: the first time that any are to be removed from it, it hangs, and then fails if told."""

    def __init__(self) -> None:
        self.fails = False
        self.hangs, self._goes_on = threading.Event(), threading.Event()

    def go_on(self) -> None:
        self._goes_on.set()

    def remove(self, _: int) -> None:
        first = not self.hangs.is_set()
        self.hangs.set()
        self._goes_on.wait()
        if first and self.fails:
            raise OSError("the disk is away")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk()
    monkeypatch.setattr(PipelineActivities, "_remove_decoded", lambda _, load_id: made.remove(load_id))
    yield made
    made.go_on()


async def test_a_load_that_is_whole_before_it_could_be_cancelled_completes(
    app: App, disk: Disk, write: Write, people: Schema
) -> None:
    """Its reconciliation has committed, and nobody was told: all of its rows are there, and its report says so."""
    disk.fails = True
    handle = await app.start(write(FILE), people)
    await asyncio.to_thread(disk.hangs.wait)
    await handle.cancel()
    await handle.query(Pipeline.progress)  # the workflow knows by now
    disk.go_on()
    assert (await handle.result()).rows_loaded == 2
    assert await app.database.fetchval("SELECT count(*) FROM datasets.people") == 2
    assert (await handle.query(Pipeline.progress)).state == "done"


async def test_a_load_that_failed_before_it_could_be_cancelled_fails(
    app: App, disk: Disk, write: Write, people: Schema
) -> None:
    """It is closed to the end, and says why it failed."""
    handle = await app.start(write(b"name\nann\n"), people)
    await asyncio.to_thread(disk.hangs.wait)
    await handle.cancel()
    await handle.query(Pipeline.progress)
    disk.go_on()
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    assert isinstance(raised.value.cause, ActivityError)
    assert isinstance(raised.value.cause.cause, ApplicationError)
    assert raised.value.cause.cause.type == "SchemaMismatch"
    assert await app.database.fetchval("SELECT state FROM loads") == "failed"
