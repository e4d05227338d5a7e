"""Loads as the harness drives and judges them, and what of it shows a bug."""

import asyncio

from bench import Bench, Found

from harness.driver import App
from harness.eventually import eventually
from harness.faultpoints import FaultPoints
from scenarios import pipeline
from system.pipeline.models import LOAD_CHUNK, PIPELINE, LoadReport, LoadRequest


class CancelledMeanwhile(pipeline.LoadCancelled):
    """A load that is cancelled at a moment that a fault makes certain: while its second chunk is under way."""

    def __init__(self, faults: FaultPoints) -> None:
        self._faults = faults

    async def run(self, app: App, given: pipeline.Interrupted) -> None:
        source = app.workspace / app.iteration.id("csv")
        await asyncio.to_thread(pipeline._write_slice, source, given.part)
        request = LoadRequest(
            sources=(str(source),), schema=pipeline.schema("flights"), again=True, chunk_bytes=8_192, concurrency=1
        )
        load = await app.start(PIPELINE, request, part="first", result_type=LoadReport)
        await eventually(self._faults.bitten, timeout=30)
        await load.handle.cancel()
        self._faults.wake()
        await app.result(load)


async def a_few_rows(bench: Bench) -> Found:
    """A small file is loaded."""
    async with bench.trial("pipeline-few") as trial:
        return await trial.judged()


async def a_cancelled_load(bench: Bench) -> Found:
    """A load is cancelled while it is at its second chunk."""
    async with bench.trial("pipeline-cancelled", lambda given: given.part.rows < 800) as trial:
        trial.faults.at(LOAD_CHUNK, prefix=trial.iteration.prefix, call=2).hang()
        return await trial.judged(CancelledMeanwhile(trial.faults))


async def a_missing_file(bench: Bench) -> Found:
    """A load fails, for its file is not there."""
    async with bench.trial("dead_letters-kept", lambda given: len(given.names) == 1) as trial:
        return await trial.judged()
