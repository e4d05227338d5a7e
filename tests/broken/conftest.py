"""The bench that the catalogue's searches share."""

from collections.abc import AsyncIterator

import pytest
from bench import Bench, worker_here
from running_system import ROOT
from system_bed import system_bed

from harness.stack import Stack


@pytest.fixture(scope="session")
async def bench(stack: Stack, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """The system as temper.toml has it, its reference data loaded by a healthy worker."""
    results = tmp_path_factory.mktemp("results")
    async with system_bed(ROOT / "temper.toml", stack, migrated, results) as bed:
        async with worker_here(bed, bed.target.file.task_queue):
            await bed.prepare()
        yield Bench(bed, results)
