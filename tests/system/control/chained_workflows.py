"""A workflow that continues as new when told to, and one that fails until it is repaired."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.exceptions import ActivityError, ApplicationError

from system.control.pausable import Pausable


@workflow.defn(name="control.Chained")
class Chained(Pausable):
    """Continues as new at each signal "next", and ends at "end"."""

    def __init__(self) -> None:
        super().__init__()
        self._next = self._end = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._next or self._end)
        if self._next:
            workflow.continue_as_new()

    @workflow.signal(name="next")
    def go_on(self) -> None:
        self._next = True

    @workflow.signal(name="end")
    def end(self) -> None:
        self._end = True


@workflow.defn(name="control.Broken")
class Broken(Pausable):
    """Catches the failure of its first step, does a second, and fails by the third."""

    @workflow.run
    async def run(self) -> str:
        for step in ("caught", "good", "bad"):
            try:
                await workflow.execute_activity(tried, step, start_to_close_timeout=timedelta(seconds=10))
            except ActivityError:
                if step == "bad":
                    raise
        return "repaired"


repaired: set[str] = set()
calls: list[str] = []


@activity.defn(name="control.tried")
async def tried(step: str) -> None:
    """Fail for good, unless it is a good step or all is repaired."""
    workflow_id = activity.info().workflow_id or ""
    calls.append(f"{workflow_id} {step}")
    if step != "good" and workflow_id not in repaired:
        raise ApplicationError(f"{step} is broken", non_retryable=True)
