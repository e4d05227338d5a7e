"""One worker process of a fleet, and the last thing it said of itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process

from pydantic import ValidationError

from system.fleet.status import Status

QUICK_SECONDS = 5.0
"""A worker that dies sooner than this after its start died of its start."""
ONE_LISTENS = ("HEALTH_ADDRESS", "METRICS_ADDRESS")
"""Addresses for one process to listen at: the fleet's health is told by its supervisor, and no member's metrics are."""


class Member:
    """Started by ``start``; ``ended`` waits until it is gone."""

    def __init__(self, process: Process, statuses: asyncio.StreamReader) -> None:
        self._process = process
        self._statuses = statuses
        self._started = time.monotonic()
        self.status: Status | None = None
        self.retiring = False

    @classmethod
    async def start(cls) -> Member:
        """Start ``python -m system worker`` with this process's environment and a pipe to tell its status by."""
        reading, writing = os.pipe()
        try:
            environment = {name: value for name, value in os.environ.items() if name not in ONE_LISTENS}
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "system", "worker", "--status", str(writing),
                pass_fds=[writing], env=environment, start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        statuses = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(statuses), os.fdopen(reading, "rb", 0)
        )
        return cls(process, statuses)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def polling(self) -> bool:
        """Whether it takes work, by what it said last."""
        return self.status is not None and self.status.polling

    async def ended(self) -> int:
        """Read what it says until it ends; returns its exit status, negative for a signal."""
        while line := await self._statuses.readline():
            try:
                self.status = Status.model_validate_json(line)
            except ValidationError:
                continue  # cut off by its death
        return await self._process.wait()

    @property
    def died_of_its_start(self) -> bool:
        """Whether it was gone before it could be of use."""
        return time.monotonic() - self._started < QUICK_SECONDS

    def drain(self) -> None:
        """Ask it to take no new work and to end."""
        self.retiring = True
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once; what it did is taken up by another after its timeouts."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)
