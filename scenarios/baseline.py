"""The system's workflows on a worker with nothing but the SDK around them: what the platform adds is the difference."""

import asyncio
import signal

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from system.breaker import Breakers
from system.cache.cache import Cache
from system.orders.activities import OrderActivities
from system.orders.providers import Http, Provider
from system.orders.stocktake import Stocktake
from system.pipeline.activities import PipelineActivities
from system.pipeline.unfinished import ended_at
from system.pipeline.workflow import Pipeline
from system.settings import Settings
from system.storage.pool import open_pool


async def main() -> None:
    """Work on the task queue of the settings until SIGTERM."""
    settings = Settings.from_environment()
    pool = await open_pool(settings)
    client = await Client.connect(
        settings.temporal_address, namespace=settings.temporal_namespace, data_converter=pydantic_data_converter
    )
    nobody = Provider("nobody", "", Http(), Breakers())
    worker = Worker(
        client,
        task_queue=settings.task_queue,
        workflows=[Pipeline, Stocktake],
        activities=[
            *PipelineActivities(pool, settings.work_directory, Cache(None), ended_at(client)).all,
            OrderActivities(pool, nobody, nobody).set_stock,
        ],
    )
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    async with worker:
        await told.wait()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main())
