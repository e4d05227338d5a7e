"""Workers that poll elsewhere are noticed before anything is started for them."""

import secrets
from pathlib import Path

import pytest
from small_worker import small_worker
from temporalio.client import Client

from harness.errors import CannotRun
from harness.pollers import await_pollers


async def test_a_queue_that_is_polled_is_seen(temporal_address: str, tmp_path: Path) -> None:
    """It is seen as soon as one worker polls it."""
    queue = f"polled-{secrets.token_hex(4)}"
    async with small_worker(temporal_address, queue):
        await await_pollers(await Client.connect(temporal_address), queue, tmp_path)


async def test_a_queue_that_nobody_polls_is_told(temporal_address: str, tmp_path: Path) -> None:
    """It is named, with its namespace, where to correct it, and where the workers' logs are."""
    client = await Client.connect(temporal_address)
    with pytest.raises(CannotRun, match="none of them polls the task queue 'misspelt'") as told:
        await await_pollers(client, "misspelt", tmp_path, timeout=0.2)
    assert "'default'" in str(told.value)
    assert 'TASK_QUEUE = "{worker.task_queue}"' in str(told.value)
    assert str(tmp_path) in str(told.value)


async def test_a_server_that_does_not_tell_is_believed(temporal_address: str, tmp_path: Path) -> None:
    """Where the question is refused nothing is known, so nothing is claimed."""
    client = await Client.connect(temporal_address, namespace="no-such-namespace")
    await await_pollers(client, "any", tmp_path, timeout=5)
