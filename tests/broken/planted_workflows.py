"""The bugs in workflows: each a subclass of one of `system`, under the same name.

They are in a module of their own because the sandbox imports it anew.
"""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import workflow

from system.orders.workflow import STEP, Order, _Ends
from system.pipeline.workflow import Pipeline
from system.tasks.workflow import Batch

with workflow.unsafe.imports_passed_through():
    from system.orders import rules
    from system.orders.models import ORDER, Close, Opened, OrderOutcome, OrderRequest, Step
    from system.pipeline.models import PIPELINE, LoadReport, LoadRequest, Manifest
    from system.tasks.models import BATCH, BatchReport, BatchRequest, Taken


@workflow.defn(name=ORDER)
class RegistersLate(Order):
    """What takes a step back is registered once the step has ended well."""

    @workflow.init
    def __init__(self, order: OrderRequest) -> None:
        super().__init__(order)

    @workflow.run
    async def run(self, order: OrderRequest) -> OrderOutcome:
        return await super().run(order)

    async def _do(self, step: Step) -> None:
        await self.checkpoint()
        self._stop_if_cancelled()
        self._enter(rules.STATE_OF[step])
        result = await self._execute(STEP[step], self._order)
        self._begun.append(step)
        if not result.done:
            raise _Ends(rules.REFUSAL_OF[step], result.reason)


@workflow.defn(name=PIPELINE)
class SwallowsCancellation(Pipeline):
    """A cancelled load takes it for a passing trouble, and loads on."""

    @workflow.run
    async def run(self, request: LoadRequest) -> LoadReport:
        return await super().run(request)

    async def _load(self, manifest: Manifest, concurrency: int) -> None:
        try:
            await super()._load(manifest, concurrency)
        except asyncio.CancelledError:
            await super()._load(manifest, concurrency)


@workflow.defn(name=BATCH)
class LosesSignals(Batch):
    """A batch continues as new whatever has come meanwhile."""

    @workflow.run
    async def run(self, request: BatchRequest) -> BatchReport:
        return await super().run(request)

    async def ready_to_continue(self) -> None:
        return


@workflow.defn(name=BATCH)
class TakesFromASet(Batch):
    """Items are run in the order of a set of their keys."""

    @workflow.run
    async def run(self, request: BatchRequest) -> BatchReport:
        return await super().run(request)

    async def _take(self, room: int, *, cancel_rest: bool = False) -> Taken:
        taken = await super()._take(room, cancel_rest=cancel_rest)
        self._hand.taken = {key: self._hand.taken[key] for key in set(self._hand.taken)}
        return taken


@workflow.defn(name=ORDER)
class ClosesForAnotherReason(Order):
    """What is written down with a closed order is another text."""

    @workflow.init
    def __init__(self, order: OrderRequest) -> None:
        super().__init__(order)

    @workflow.run
    async def run(self, order: OrderRequest) -> OrderOutcome:
        return await super().run(order)

    async def _insist(self, activity: Any, argument: Any) -> Any:
        if isinstance(argument, Close):
            argument = argument.model_copy(update={"reason": f"order closed: {argument.reason}"})
        return await super()._insist(activity, argument)


@workflow.defn(name=ORDER)
class KeepsWhatWasCaptured(Order):
    """An order that is cancelled once its payment was captured is not refunded; one that fails is."""

    @workflow.init
    def __init__(self, order: OrderRequest) -> None:
        super().__init__(order)

    @workflow.run
    async def run(self, order: OrderRequest) -> OrderOutcome:
        return await super().run(order)

    async def _compensate(self, ends: _Ends) -> Opened:
        if ends.state == "cancelled":
            self._begun = [step for step in self._begun if step != "capture_payment"]
        return await super()._compensate(ends)
