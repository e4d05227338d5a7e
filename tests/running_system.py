"""The running system as tests hold it."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle

from system.pipeline.models import LoadReport, LoadRequest
from system.pipeline.schema import Schema
from system.pipeline.workflow import Pipeline
from system.settings import Settings
from system.storage.pool import Pool

ROOT = Path(__file__).parents[1]

Write = Callable[[bytes], Path]


@dataclass(frozen=True)
class App:
    """The running system, as a user has it."""

    client: Client
    settings: Settings
    database: Pool

    async def start(
        self, source: Path | tuple[Path, ...], schema: Schema, **options: Any
    ) -> WorkflowHandle[Pipeline, LoadReport]:
        """Start a load under an id of its own."""
        return await self.client.start_workflow(
            Pipeline.run,
            LoadRequest(sources=paths(source), schema=schema, **options),
            id=f"load-{secrets.token_hex(6)}",
            task_queue=self.settings.task_queue,
        )

    async def load(self, source: Path | tuple[Path, ...], schema: Schema, **options: Any) -> LoadReport:
        """Load a file, or several, and wait for the report."""
        return await (await self.start(source, schema, **options)).result()


def paths(source: Path | tuple[Path, ...]) -> tuple[str, ...]:
    return tuple(map(str, source)) if isinstance(source, tuple) else (str(source),)


def environment(settings: Settings, **more: str) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": settings.database_url,
        "TEMPORAL_ADDRESS": settings.temporal_address,
        "TASK_QUEUE": settings.task_queue,
        "WORK_DIRECTORY": str(settings.work_directory),
        **more,
    }
