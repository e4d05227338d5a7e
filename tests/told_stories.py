"""A workflow that does a little of everything, and whose every value a test can change between run and replay."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import Priority, RetryPolicy, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError, ChildWorkflowError

KEYWORD = SearchAttributeKey.for_keyword("CustomKeywordField")
"""That every test server knows."""


@dataclass(frozen=True)
class Knobs:
    """What the story's code says today."""

    amount: int = 12
    start_to_close: float = 30
    heartbeat: float = 3
    attempts: int = 4
    non_retryable: tuple[str, ...] = ("Declined",)
    fairness_key: str = "small"
    timer: float = 7
    child: str = "one"
    child_run_timeout: float = 100
    child_fairness_key: str = "small"
    signalled: str = "go"
    memo: str = "kept"
    answer: str = "well"
    result: str = "done"
    failure: str = "no stock"
    next: str = "again"
    next_memo: str = "kept"
    next_keyword: str = "kept"


code = Knobs()


def change(**knobs: Any) -> None:
    """Let the code say something else from now on; nothing named is what it was at first."""
    global code  # noqa: PLW0603 that is what a deployment does
    code = replace(Knobs(), **knobs)


@activity.defn(name="told.charge")
async def charge(request: dict[str, Any]) -> str:
    """Takes the amount."""
    return f"charged {request['amount']}"


@workflow.defn(name="told.Child", sandboxed=False)
class Child:
    """Waits for a signal."""

    def __init__(self) -> None:
        self._signalled = ""

    @workflow.run
    async def run(self, word: str) -> str:
        await workflow.wait_condition(lambda: self._signalled != "")
        return word

    @workflow.signal
    def signalled(self, word: str) -> None:
        self._signalled = word


@workflow.defn(name="told.Story", sandboxed=False)
class Story:
    """An activity, a timer, children, a signal, a patch, a memo, an update; ends as it is told to."""

    def __init__(self) -> None:
        self._asked = False

    @workflow.run
    async def run(self, ending: str) -> str:
        await workflow.execute_activity(
            charge,
            {"amount": code.amount, "lines": [1, 2]},
            start_to_close_timeout=timedelta(seconds=code.start_to_close),
            heartbeat_timeout=timedelta(seconds=code.heartbeat),
            retry_policy=RetryPolicy(
                maximum_attempts=code.attempts, non_retryable_error_types=list(code.non_retryable)
            ),
            priority=Priority(fairness_key=code.fairness_key, fairness_weight=1.7),
        )
        await workflow.execute_activity(charge, {"amount": 1}, schedule_to_close_timeout=timedelta(minutes=1))
        await workflow.sleep(code.timer)
        child = await workflow.start_child_workflow(
            Child.run,
            code.child,
            id=f"{workflow.info().workflow_id}-child",
            run_timeout=timedelta(seconds=code.child_run_timeout),
            priority=Priority(fairness_key=code.child_fairness_key),
        )
        await child.signal(Child.signalled, code.signalled)
        await child
        if workflow.patched("told-cancels"):
            cancelled = await workflow.start_child_workflow(
                Child.run, "never", id=f"{workflow.info().workflow_id}-cancelled"
            )
            cancelled.cancel()
            with suppress(ChildWorkflowError):
                await cancelled
        workflow.upsert_memo({"memo": code.memo})
        await workflow.wait_condition(lambda: self._asked)
        if ending == "fail":
            raise ApplicationError(code.failure, {"amount": code.amount}, type="OutOfStock", non_retryable=True)
        if ending == "continue":
            workflow.continue_as_new(
                code.next,
                memo={"next": code.next_memo},
                search_attributes=TypedSearchAttributes([SearchAttributePair(KEYWORD, code.next_keyword)]),
            )
        if ending == "continue bare":
            workflow.continue_as_new(code.next)
        return code.result

    @workflow.update
    async def ask(self) -> str:
        """Lets it end."""
        self._asked = True
        return code.answer
