"""A testbed for `system`, or for a copy of it with a planted bug, on the session's servers, with its own database."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from small_target import standing

from harness.services.postgres import create_database, drop_database
from harness.stack import Stack
from harness.target import Target
from harness.testbed import Testbed


@asynccontextmanager
async def system_bed(path: Path, stack: Stack, template: str, results: Path) -> AsyncIterator[Testbed]:
    """The target that `path` describes, on a task queue and a database that nobody else uses."""
    target = Target.read(path)
    file = msgspec.structs.replace(target.file, task_queue=f"system-{secrets.token_hex(4)}")
    name = f"bed_{secrets.token_hex(6)}"
    url = await create_database(stack["postgres"].url, name, template=template)
    try:
        async with standing(Target(target.path, file), stack, results, postgres_url=url) as bed:
            yield bed
    finally:
        await drop_database(stack["postgres"].url, name)
