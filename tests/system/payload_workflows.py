"""A workflow whose every message is as large as its input."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from system.records import Record


class Text(Record):
    """As long as the test likes."""

    text: str


@activity.defn(name="payloads.turn")
async def turn(given: Text) -> Text:
    """Return it backwards."""
    return Text(text=given.text[::-1])


@activity.defn(name="payloads.refuse")
async def refuse(given: Text) -> Text:
    """Fail for good, with the text for details."""
    raise ApplicationError("refused", given, type="Refused", non_retryable=True)


@workflow.defn(name="payloads.Travel")
class Travel:
    """Takes a text in, through an activity and a signal, and out again."""

    def __init__(self) -> None:
        self._signalled: Text | None = None

    @workflow.run
    async def run(self, given: Text) -> Text:
        """Return the text turned twice, and what was signalled."""
        once = await workflow.execute_activity(turn, given, start_to_close_timeout=timedelta(seconds=30))
        await workflow.wait_condition(lambda: self._signalled is not None)
        assert self._signalled is not None
        return Text(text=once.text[::-1] + self._signalled.text)

    @workflow.signal(name="payloads.add")
    def add(self, given: Text) -> None:
        """Let it end."""
        self._signalled = given

    @workflow.query(name="payloads.given")
    def given(self) -> Text:
        """What was signalled."""
        return self._signalled or Text(text="")


@workflow.defn(name="payloads.Refused")
class Refused:
    """Its activity fails with large details, and so does it."""

    @workflow.run
    async def run(self, given: Text) -> Text:
        """Fail with the activity's details."""
        try:
            return await workflow.execute_activity(
                refuse,
                given,
                start_to_close_timeout=timedelta(seconds=30),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except ActivityError as error:
            details = error.cause.details if isinstance(error.cause, ApplicationError) else ()
            raise ApplicationError("given up", *details, type="GivenUp", non_retryable=True) from error


@workflow.defn(name="payloads.Grow")
class Grow:
    """Takes next to nothing in, and returns a lot."""

    @workflow.run
    async def run(self, given: Text) -> Text:
        """Return the text a million times."""
        return Text(text=given.text * 1_000_000)
