"""Runs the guest book: `python -m guest_book migrate` makes its tables, `python -m guest_book worker` works."""

import asyncio
import os
import signal
import sys
from datetime import timedelta

import asyncpg
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import Worker

from guest_book.book import SCHEMA, Book
from guest_book.workflow import Sign


async def migrate() -> None:
    """Make the tables where there are none."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    await connection.execute(SCHEMA)
    await connection.close()


async def work() -> None:
    """Work until SIGTERM, which is how Temper drains a worker; then let what is running come to its end."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    metrics = PrometheusConfig(bind_address=os.environ["METRICS_ADDRESS"])
    runtime = Runtime(telemetry=TelemetryConfig(metrics=metrics))
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"], runtime=runtime)
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1) as pool:
        book = Book(pool)
        async with Worker(
            client,
            task_queue=os.environ["TASK_QUEUE"],
            workflows=[Sign],
            activities=[book.enter, book.thank],
            graceful_shutdown_timeout=timedelta(seconds=10),
        ):
            await told.wait()


COMMANDS = {"migrate": migrate, "worker": work}

if __name__ == "__main__":
    if sys.argv[1:] not in [[name] for name in COMMANDS]:
        sys.exit("usage: python -m guest_book worker | python -m guest_book migrate")
    asyncio.run(COMMANDS[sys.argv[1]]())
