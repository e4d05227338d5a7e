"""The bugs in workflows: each a subclass of one of `system`, under the same name.

They are in a module of their own because the sandbox imports it anew.
"""

from temporalio import workflow

from system.orders.workflow import Order, _Ends

with workflow.unsafe.imports_passed_through():
    from system.orders import rules
    from system.orders.models import ORDER, OrderOutcome, OrderRequest, Step
    from system.orders.workflow import STEP


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
