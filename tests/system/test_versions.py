"""Builds side by side: which one a workflow starts on, and that a pinned one stays there."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from running_system import ROOT, Write, environment
from temporalio.client import Client, WorkflowHandle

from harness.eventually import eventually
from system.connection import connect
from system.control.pausable import PAUSE, PAUSED, RESUME, Order
from system.errors import SettingsError
from system.pipeline.models import LoadReport, LoadRequest
from system.pipeline.schema import Schema
from system.pipeline.workflow import Pipeline
from system.settings import Settings
from system.tasks.models import BatchRequest, Item
from system.tasks.workflow import Batch
from system.worker import run_worker

ORDER = Order(by="an operator", reason="a new build comes")


@asynccontextmanager
async def build(settings: Settings, name: str) -> AsyncIterator[None]:
    stop = asyncio.Event()
    worker = asyncio.create_task(
        run_worker(replace(settings, deployment=settings.task_queue, build_id=name), stop=stop)
    )
    yield
    stop.set()
    await worker


def version(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "system", "version", *words],
        cwd=ROOT, env=environment(settings, DEPLOYMENT=settings.task_queue), capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip


async def made_current(settings: Settings, name: str) -> None:
    async def done() -> bool:
        return (await asyncio.to_thread(version, settings, "current", name)).returncode == 0

    await eventually(done, timeout=30)  # the server hears of a build by its first poll


async def paused(
    client: Client, settings: Settings, name: str, request: LoadRequest
) -> WorkflowHandle[Pipeline, LoadReport]:
    return await client.start_workflow(
        Pipeline.run,
        request,
        id=f"{settings.task_queue}-{name}",
        task_queue=settings.task_queue,
        start_signal=PAUSE,
        start_signal_args=[ORDER],
    )


async def ran_on(handle: WorkflowHandle[Any, Any]) -> str:
    await handle.query(PAUSED)
    described = (await handle.describe()).raw_description.workflow_execution_info
    return described.versioning_info.deployment_version.build_id


async def test_a_pinned_workflow_stays_with_its_build(settings: Settings, write: Write, people: Schema) -> None:
    """One begun on the old build ends there, while a new one starts on the build that is current."""
    client = await connect(settings)
    request = LoadRequest(sources=(str(write(b"name,age\nann,1\n")),), schema=people)
    async with build(settings, "one"):
        await made_current(settings, "one")
        old = await paused(client, settings, "old", request)
        assert await ran_on(old) == "one"
        async with build(settings, "two"):
            await made_current(settings, "two")
            new = await paused(client, settings, "new", request)
            assert (await ran_on(old), await ran_on(new)) == ("one", "two")
            shown = (await asyncio.to_thread(version, settings, "show")).stdout
            assert ("one\tdraining" in shown, "two\tcurrent" in shown) == (True, True)
            for handle in (old, new):
                await handle.signal(RESUME, ORDER)
            await asyncio.gather(old.result(), new.result())
            assert (await ran_on(old), await ran_on(new)) == ("one", "two")


async def test_a_workflow_moves_on_to_the_current_build_where_workers_say_so(settings: Settings) -> None:
    """Begun on the old build and paused there, a batch goes on with the new one."""
    settings = replace(settings, versioning="auto-upgrade")
    client = await connect(settings)
    item = Item(key="one", handler="text.checksum", input={"text": "x"})
    async with build(settings, "one"):
        await made_current(settings, "one")
        batch = await client.start_workflow(
            Batch.run,
            BatchRequest(items=(item,)),
            id=f"{settings.task_queue}-batch",
            task_queue=settings.task_queue,
            start_signal=PAUSE,
            start_signal_args=[ORDER],
        )
        assert await ran_on(batch) == "one"
        async with build(settings, "two"):
            await made_current(settings, "two")
            await batch.signal(RESUME, ORDER)
            assert ((await batch.result()).done, await ran_on(batch)) == (1, "two")


def test_a_build_that_nobody_runs_is_refused(settings: Settings) -> None:
    """It says what was wrong and what to look at."""
    done = version(settings, "current", "none")
    assert (done.returncode, "is a worker with this DEPLOYMENT and BUILD_ID running?" in done.stderr) == (2, True)


def test_a_share_is_a_percentage(settings: Settings) -> None:
    """Anything but 0 to 100 is refused."""
    assert "expected a number from 0 to 100" in version(settings, "ramp", "two", "101").stderr


async def test_a_worker_of_a_deployment_must_name_its_build(settings: Settings) -> None:
    """It would else run without versions, and nobody would know."""
    with pytest.raises(SettingsError, match="DEPLOYMENT is set and BUILD_ID is not: expected the id of this build"):
        await run_worker(replace(settings, deployment="d"), stop=asyncio.Event())
