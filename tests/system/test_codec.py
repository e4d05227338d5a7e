"""A codec given to the plugin reaches client, worker and replayer, and comes before the claim check."""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import asyncpg
import pytest
from payload_workflows import Text, Travel, turn
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowHistory
from temporalio.converter import PayloadCodec
from temporalio.worker import Replayer, Worker

from system.connection import connect
from system.errors import SettingsError
from system.payloads import PayloadStore
from system.plugin import SystemPlugin
from system.settings import Settings
from system.storage.pool import Pool

ENCODING, ZLIB = "encoding", b"binary/zlib"
LIMIT = 2_000
SMALL, LARGE = Text(text="in a history" * 10), Text(text="".join(f"in PostgreSQL {n} " for n in range(5_000)))
NEVER_LARGE = Text(text="x" * 10 * LIMIT)
"""Above the limit, until the codec has seen it."""


class Zlib(PayloadCodec):
    """Packs each payload; refuses what it did not pack."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(metadata={ENCODING: ZLIB}, data=zlib.compress(one.SerializeToString())) for one in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        assert all(one.metadata[ENCODING] == ZLIB for one in payloads)
        return [Payload.FromString(zlib.decompress(one.data)) for one in payloads]


@pytest.fixture
def plugin(database: Pool) -> SystemPlugin:
    """With a codec, and a low limit for the claim check."""
    return SystemPlugin(PayloadStore(database, limit=LIMIT), Zlib())


async def travelled(settings: Settings, plugin: SystemPlugin, given: Text, more: Text) -> WorkflowHistory:
    """The history of a workflow that takes both in, and returns them; its worker replays it at every task."""
    client = await Client.connect(settings.temporal_address, plugins=[plugin])
    async with Worker(
        client, task_queue=settings.task_queue, workflows=[Travel], activities=[turn], max_cached_workflows=0
    ):
        handle = await client.start_workflow(Travel.run, given, id=settings.task_queue, task_queue=settings.task_queue)
        await handle.signal(Travel.add, more)
        assert await handle.query(Travel.given) == more
        assert await handle.result() == Text(text=given.text + more.text)
        return await handle.fetch_history()


async def test_what_is_small_is_encoded_in_the_history(settings: Settings, plugin: SystemPlugin) -> None:
    """Nobody reads it there, and whoever has the plugin does."""
    history = await travelled(settings, plugin, SMALL, NEVER_LARGE)
    assert b"in a history" not in b"".join(event.SerializeToString() for event in history.events)
    [given] = history.events[0].workflow_execution_started_event_attributes.input.payloads
    assert (given.metadata[ENCODING], len(given.external_payloads)) == (ZLIB, 0)
    signalled = [one for one in history.events if one.HasField("workflow_execution_signaled_event_attributes")]
    [more] = signalled[0].workflow_execution_signaled_event_attributes.input.payloads
    assert (more.metadata[ENCODING], len(more.external_payloads)) == (ZLIB, 0), "it is measured once it is encoded"
    replayed = await Replayer(workflows=[Travel], plugins=[plugin]).replay_workflow(history)
    assert replayed.replay_failure is None


async def test_what_is_large_is_encoded_in_the_database(
    settings: Settings, plugin: SystemPlugin, connection: asyncpg.Connection
) -> None:
    """A reference is in the history; what it refers to went through the codec first."""
    history = await travelled(settings, plugin, LARGE, SMALL)
    [given] = history.events[0].workflow_execution_started_event_attributes.input.payloads
    assert len(given.external_payloads) == 1
    stored = [Payload.FromString(row["content"]) for row in await connection.fetch("SELECT content FROM payloads")]
    assert {one.metadata[ENCODING] for one in stored} == {ZLIB}
    client = await Client.connect(settings.temporal_address, plugins=[plugin])
    assert await client.data_converter.decode([given], [Text]) == [LARGE]


async def test_the_environment_names_it_for_every_client(settings: Settings) -> None:
    """And so for the workers, which are made from one."""
    client = await connect(replace(settings, payload_codec=f"{__name__}:Zlib"))
    assert isinstance(client.data_converter.payload_codec, Zlib)
    assert (await connect(settings)).data_converter.payload_codec is None


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere:Zlib", "No module named 'nowhere'"),
        (f"{__name__}:Zip", "has no attribute 'Zip'"),
        (__name__, 'expected "module:NAME"'),
        ("builtins:dict", "makes a dict: expected a PayloadCodec"),
    ],
)
async def test_what_is_no_codec_is_named(settings: Settings, path: str, said: str) -> None:
    """Before anything is sent that nobody could read."""
    with pytest.raises(SettingsError, match=f"PAYLOAD_CODEC is {path}") as refused:
        await connect(replace(settings, payload_codec=path))
    assert said in str(refused.value)
