"""The running system as tests hold it."""

import asyncio
import contextlib
import io
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from system.__main__ import main
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


async def command(settings: Settings, *arguments: str, **more: str) -> tuple[int, str, str]:
    """Run `python -m system` with these arguments; returns its status, and what it wrote to stdout and stderr.

    In a thread of this process, which spares its start: one at a time, as output and environment are the process's.
    """

    def run() -> int:
        try:
            return main(list(arguments))
        except SystemExit as refused:  # argparse's
            return int(refused.code or 0)

    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment(settings, **more).items():
            patched.setenv(name, value)
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            status = await asyncio.to_thread(run)
    return status, out.getvalue(), err.getvalue()
