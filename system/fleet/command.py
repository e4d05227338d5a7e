"""The ``workers`` command: supervises a fleet, and answers for it over HTTP."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Any

from system.connection import connect
from system.errors import SettingsError
from system.fleet.rules import Bounds
from system.fleet.supervisor import Fleet
from system.health import Health, served
from system.settings import Settings

DONE = 0


def run(settings: Settings, *, least: int, most: int) -> int:
    """Keep between ``least`` and ``most`` workers alive until SIGTERM or SIGINT.

    Raises:
        SettingsError: the least is more than the most.
        Unavailable: Temporal does not answer, or no worker can start.

    """
    if least > most:
        raise SettingsError(f"--min is {least}, --max is {most}: expected --min to be at most --max")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_run(settings, Bounds(least=least, most=most)))
    return DONE


async def _run(settings: Settings, bounds: Bounds) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await connect(settings)
    fleet = Fleet(client, settings.task_queue, bounds, settings.drain_seconds)

    async def enough() -> None:
        if fleet.polling < bounds.least:
            raise SettingsError(f"{fleet.polling} of at least {bounds.least} workers poll")

    def figures() -> dict[str, Any]:
        return {
            "members": [{"pid": one.pid, **(one.status.model_dump() if one.status else {})} for one in fleet.members]
        }

    health = Health({"workers": enough}, {}, figures)
    health.polling = True
    async with served(settings.health_address, health):
        await fleet.run(stop)
