"""Connects to Temporal with the system's plugin."""

from __future__ import annotations

import asyncio
from importlib import import_module

from temporalio.client import Client
from temporalio.converter import PayloadCodec
from temporalio.runtime import Runtime
from temporalio.service import RPCError

from system.errors import SettingsError, Unavailable
from system.payloads import PayloadStore
from system.plugin import SystemPlugin
from system.settings import Settings
from system.storage.pool import Pool

CONNECT_SECONDS = 10.0


async def connect(settings: Settings, database: Pool | None = None, runtime: Runtime | None = None) -> Client:
    """Connect a client; workers made from it have the plugin too.

    Args:
        settings: where Temporal is, and PostgreSQL with the large payloads.
        database: the pool to read and write large payloads by; without one, a connection is made for each use.
        runtime: what the SDK's core runs in, where it is not its own.

    Raises:
        Unavailable: Temporal refused, or did not answer within 10 seconds.
        SettingsError: PAYLOAD_CODEC names no codec.

    """
    payloads = PayloadStore(database or settings.database_url, limit=settings.payload_limit)
    plugin = SystemPlugin(payloads, _codec(settings.payload_codec))
    try:
        return await asyncio.wait_for(
            Client.connect(
                settings.temporal_address,
                namespace=settings.temporal_namespace,
                plugins=[plugin],
                runtime=runtime,
            ),
            CONNECT_SECONDS,
        )
    except (RuntimeError, ValueError, RPCError, OSError, TimeoutError) as error:
        raise Unavailable(
            f"Temporal at {settings.temporal_address} does not answer ({_first_line(error)}); "
            "start it, or correct TEMPORAL_ADDRESS"
        ) from error


def _codec(path: str | None) -> PayloadCodec | None:
    if path is None:
        return None
    module, _, name = path.partition(":")
    try:
        codec = getattr(import_module(module), name)()
    except Exception as error:  # the module is the operator's, and may raise anything
        raise SettingsError(f'PAYLOAD_CODEC is {path}: {_first_line(error)}; expected "module:NAME"') from error
    if not isinstance(codec, PayloadCodec):
        raise SettingsError(f"PAYLOAD_CODEC is {path}, which makes a {type(codec).__name__}: expected a PayloadCodec")
    return codec


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
