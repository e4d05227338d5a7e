"""Samples, during a run, what its processes use and what the server and the workers measure of themselves."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from harness.clock import now
from harness.records.samples import MEMORY_PEAK, UP, Sample
from harness.scraping import COUNTERS_OF_WORKER, GAUGES_OF_WORKER, OF_SERVER, Labels, Wanted, readings
from harness.services import web
from harness.services.process import NotReady
from harness.testbed import Testbed
from harness.usage import Usage

EVERY = 1.0
COUNTERS_EVERY = 5.0
"""Seconds. The dev server writes three megabytes for each look at its counters: 0.04 s of its processor time."""
ANSWER_SECONDS = 1.0
"""How long an endpoint may take; a worker that is paused never answers."""
INTERNAL = "temporal_sys"
"""What the task queues that a server keeps for itself begin with."""

Look = Callable[[], Awaitable[Iterable[Sample]]]


@asynccontextmanager
async def sampled(bed: Testbed, *, every: float = EVERY, counters_every: float = COUNTERS_EVERY) -> AsyncIterator[None]:
    """Inside the block, write samples of the bed's services, workers and client into its run.

    Processes, and gauges of the workers, are looked at every so many seconds; counters of workers and server too, and
    once more at the end, because what counts is how much they grew; so are the peaks of memory. Workers may come, die
    and go. Nothing here ends the run: an endpoint that does not answer is a sample too, and told at the end.
    """
    sampler = _Sampler(bed)
    counters = (sampler.counters_of_workers, sampler.server)
    looks: Sequence[tuple[float, Look]] = [
        (every, sampler.processes),
        (every, sampler.gauges_of_workers),
        *((counters_every, look) for look in counters),
    ]
    await asyncio.gather(*(sampler.take(look) for _, look in looks))
    repeating = [asyncio.create_task(sampler.repeat(look, seconds)) for seconds, look in looks]
    try:
        yield
    finally:
        for task in repeating:
            task.cancel()
        await asyncio.gather(*repeating, return_exceptions=True)
    await asyncio.gather(*(sampler.take(look) for look in (*counters, sampler.peaks)))
    sampler.tell()


class _Sampler:
    """What is looked at, and which looks came to nothing."""

    def __init__(self, bed: Testbed) -> None:
        self._bed = bed
        self._usage = Usage()
        self._scrapes: Counter[str] = Counter()
        self._unanswered: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()

    async def processes(self) -> list[Sample]:
        """What each service, each worker and the client use."""
        return await asyncio.to_thread(self._usage.look, self._roots())

    async def peaks(self) -> list[Sample]:
        """The most memory that each had, whoever looked before, and may be looking still."""
        found = await asyncio.to_thread(Usage().look, self._roots())
        return [sample for sample in found if sample.name == MEMORY_PEAK]

    async def gauges_of_workers(self) -> list[Sample]:
        """What each worker that has a metrics endpoint says of this moment."""
        return await self._workers(GAUGES_OF_WORKER)

    async def counters_of_workers(self) -> list[Sample]:
        """What each worker that has a metrics endpoint has counted."""
        return await self._workers(COUNTERS_OF_WORKER)

    async def server(self) -> list[Sample]:
        """What the server measures of the target's namespace, where it has a metrics endpoint that is known."""
        url = self._bed.stack.addresses.get("temporal.metrics")
        if url is None:
            return []
        namespace = self._bed.target.file.namespace

        def ours(labels: Labels) -> bool:
            return labels.get("namespace") == namespace and not labels.get("taskqueue", "").startswith(INTERNAL)

        return await self._scrape("temporal", url, OF_SERVER, ours)

    async def repeat(self, look: Look, seconds: float) -> None:
        """Look every so many seconds; what is late is left out, not made good."""
        due = now()
        while True:
            due = max(due + seconds, now())
            await asyncio.sleep(due - now())
            await self.take(look)

    async def take(self, look: Look) -> None:
        """Look once, and write down what was seen."""
        try:
            self._bed.run.write_all(await look())
        except Exception as error:  # noqa: BLE001 a run is not to fail of being watched; it is told
            self._failures[f"{type(error).__name__}: {error}"] += 1

    def tell(self) -> None:
        """Say which endpoints did not answer, and what went wrong."""
        for source, times in self._unanswered.items():
            self._bed.notify(f"the metrics of {source} could not be read {times} of {self._scrapes[source]} times")
        for failure, times in self._failures.items():
            self._bed.notify(f"samples could not be taken {times} times: {failure}")

    def _roots(self) -> dict[str, int]:
        services = {name: service.pid for name, service in self._bed.stack.services.items()}
        workers = {worker.name: worker.pid for worker in self._bed.at_work if worker.alive}
        return {name: pid for name, pid in (services | workers).items() if pid is not None}

    async def _workers(self, wanted: Sequence[Wanted]) -> list[Sample]:
        workers = [worker for worker in self._bed.at_work if worker.metrics_url]
        found = await asyncio.gather(*(self._scrape(each.name, each.metrics_url, wanted) for each in workers))
        return [sample for samples in found for sample in samples]

    async def _scrape(
        self, source: str, url: str, wanted: Sequence[Wanted], keep: Callable[[Labels], bool] = lambda _: True
    ) -> list[Sample]:
        self._scrapes[source] += 1
        found: dict[str, float] = {}
        try:
            status, body = await web.get(url, timeout=ANSWER_SECONDS)
            if status == 200:
                found = await asyncio.to_thread(functools.partial(readings, body, wanted, keep))
        except (NotReady, ValueError):
            status = 0
        if status != 200:
            self._unanswered[source] += 1
        told, time = {UP: float(status == 200), **found}, now()
        return [Sample(time=time, source=source, name=name, value=value) for name, value in told.items()]
