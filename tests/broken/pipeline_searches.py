"""Loads as the harness drives and judges them, and what of it shows a bug."""

import asyncio
from datetime import timedelta

import pytest
from bench import Bench, Found, database_of, worker_here
from waiting import held

from harness.driver import App
from harness.eventually import eventually
from harness.faultpoints import FaultPoints
from harness.wire import Wire
from scenarios import pipeline
from system.dead_letters import history
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


async def a_chunk_that_is_cut_at_the_ledger(bench: Bench) -> Found:
    """The connection that is about to write a chunk into the ledger is cut, and the chunk is loaded again."""
    async with bench.trial("pipeline-few") as trial, held(database_of(bench), "effects", until=1, cut=True):
        return await trial.judged()


async def a_start_that_is_not_answered(bench: Bench) -> Found:
    """A load is redriven; Temporal hears of it, and its answer is lost."""
    temporal = bench.bed.stack.addresses["temporal.address"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(history, "CALL", timedelta(seconds=3))
        async with bench.trial("dead_letters-redriven") as trial, Wire.to(temporal) as wire:
            wire.lose_response("StartWorkflowExecution", code=None, times=1)
            async with worker_here(trial.bed, trial.queue, addresses={"temporal.address": wire.address}):
                await trial.driven(trial.scenario)
                await trial.bed.quiesce(60)
                assert wire.bitten, "nobody has started anything through the wire"
                return await trial.found()
