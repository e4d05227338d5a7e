"""Iterations and the client calls they made: who meant to do what, when, and what is known of it."""

import random
from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct


class Ack(StrEnum):
    """What the caller knows of a call. The order is that of certainty."""

    OK = "ok"
    """The server answered: it happened."""
    FAIL = "fail"
    """The server answered: it did not happen, and never will."""
    INFO = "info"
    """Nobody answered in time: it may have happened, or may still happen."""


class Kind(StrEnum):
    """The client calls that are recorded."""

    START = "start"
    SIGNAL = "signal"
    UPDATE = "update"
    QUERY = "query"
    RESULT = "result"


class Iteration(Struct, frozen=True, kw_only=True):
    """One use of a scenario. Everything random in it is drawn from its own substream, whatever ran before it."""

    run: str
    scenario: str
    index: int
    seed: int
    intended: float
    """When it is meant to start: seconds since the Unix epoch."""
    warm_up: bool = False
    """Whether it is left out of every figure of speed; it is checked as any other."""
    tenant: str = ""
    """On whose behalf: the fairness key of what it starts; empty where the load has no tenants."""

    @property
    def prefix(self) -> str:
        """The prefix of every workflow id this iteration starts, up to and including its closing dot."""
        return f"{self.run}.{self.scenario}.{self.index}."

    def id(self, part: str) -> str:
        """A workflow id of this iteration. It is the key that joins operations, histories, effects and facts."""
        return self.prefix + part

    def rng(self) -> random.Random:
        """A fresh generator on this iteration's substream: the same seed, scenario and index draw the same values."""
        return substream(self.seed, self.scenario, str(self.index))


class Operation(Struct, frozen=True, kw_only=True):
    """One recorded client call of an iteration. Times: seconds since the Unix epoch, by a clock that never steps."""

    scenario: str
    iteration: int
    kind: Kind
    name: str
    """What was called: the workflow type, the signal, the update. Empty for a result."""
    workflow_id: str
    run_id: str | None
    intended: float
    """When the call was meant to be made. A result's is that of the start it belongs to: latency counts from there."""
    sent: float
    acknowledged: float | None
    """When the answer came; None for `info`."""
    given_up: float | None = None
    """When the caller stopped waiting for an answer; None where one came."""
    closed: float | None = None
    """When the caller learned that the workflow had closed; None while it has not."""
    ack: Ack
    status: str | None = None
    """The workflow's closing status: completed, failed, canceled, terminated or timed_out."""
    error: str | None = None
    call_id: str = ""
    """What an update or a signal is known by in the history of its workflow; empty for other calls."""
    event_id: int | None = None
    """The event by which it was found out later that a signal or an update had happened."""
    warm_up: bool = False
    """As its iteration's."""
    by_server: bool = False
    """Whether `acknowledged` is the closing time by the server's clock: too many waited to ask for each result."""

    @property
    def response_time(self) -> float | None:
        """Seconds from the intended time to the answer: what a user waited. None where no answer came."""
        return None if self.acknowledged is None else self.acknowledged - self.intended

    @property
    def service_time(self) -> float | None:
        """Seconds from sending to the answer. None where no answer came."""
        return None if self.acknowledged is None else self.acknowledged - self.sent

    @property
    def ended(self) -> float | None:
        """When the answer came, or the caller stopped waiting for one; None where neither is known."""
        return self.given_up if self.acknowledged is None else self.acknowledged

    @property
    def lag(self) -> float:
        """Seconds the caller itself was late: sent less intended."""
        return self.sent - self.intended


def completed(operations: Iterable[Operation]) -> list[str]:
    """The ids of the workflows that are known to have completed, in the order of their results, each once."""
    ids = (op.workflow_id for op in operations if op.kind is Kind.RESULT and op.status == "completed")
    return list(dict.fromkeys(ids))


def substream(seed: int, *names: str) -> random.Random:
    """A generator for one named purpose: same seed and names, same values, in any process and in any order."""
    return random.Random("/".join((str(seed), *names)))
