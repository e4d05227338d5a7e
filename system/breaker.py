"""Holds calls to an outside service back while that service fails."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

from system.errors import BreakerOpen, Unavailable
from system.records import Record

if TYPE_CHECKING:
    from purgatory import AsyncCircuitBreakerFactory
    from purgatory.domain.model import Context
    from purgatory.service._async.circuitbreaker import AsyncCircuitBreaker

FAILURES: tuple[type[Exception], ...] = (Unavailable, OSError)
"""What speaks against the service: server errors, lost connections and timeouts (both are OSErrors)."""

PROBE_SECONDS = 1.0
"""How long a call is told to wait while another one finds out whether the service is back."""


class BreakerState(Record):
    """One breaker, as monitoring sees it."""

    name: str
    state: Literal["closed", "open", "half-open"]
    failures: int
    """Failures in a row; counted while closed."""
    retry_after: float
    """Seconds until a call is let through; 0 where one would be now."""


class Breakers:
    """The circuit breakers of one process, one for each service; for activities, never for workflow code.

    A breaker opens after ``threshold`` failures in a row, and turns half-open ``ttl`` seconds later: then one call at a
    time is let through, and closes or opens it. What counts is whether the service answered: a refusal is an answer.
    A cancelled call says nothing, so calls need a timeout of their own, or a service that hangs never opens it.

    Each process learns for itself. That costs ``threshold`` calls a worker, and needs no store that could fail too.
    """

    def __init__(
        self, *, threshold: int = 5, ttl: float = 30.0, failures: tuple[type[Exception], ...] = FAILURES
    ) -> None:
        self._threshold = threshold
        self._ttl = ttl
        self._failures = failures
        self._factory: AsyncCircuitBreakerFactory | None = None
        self._breakers: dict[str, AsyncCircuitBreaker] = {}
        self._probing: set[str] = set()

    @asynccontextmanager
    async def guard(self, name: str) -> AsyncIterator[None]:
        """Let one call to the service through, and learn from how it ends.

        Raises:
            BreakerOpen: the call was not made; ``retry_after`` says when it is worth trying again.

        """
        breaker = self._breakers.get(name) or await self._make(name)
        is_probe = self._admit(name, breaker.context)
        try:
            yield
        except Exception as error:
            failed = isinstance(error, self._failures)
            await self._learn(breaker, error if failed else None, is_probe=is_probe)
            raise
        else:
            await self._learn(breaker, None, is_probe=is_probe)
        finally:
            if is_probe:
                self._probing.discard(name)

    def states(self) -> tuple[BreakerState, ...]:
        """Return the breakers that were used so far, by name."""
        return tuple(self._state(name, self._breakers[name].context) for name in sorted(self._breakers))

    async def _make(self, name: str) -> AsyncCircuitBreaker:
        from purgatory import AsyncCircuitBreakerFactory  # noqa: PLC0415 - a slow import

        if self._factory is None:
            self._factory = AsyncCircuitBreakerFactory(default_threshold=self._threshold, default_ttl=self._ttl)
        # Of two first calls at the same time both get the same context: in memory, nothing here waits.
        breaker = await self._factory.get_breaker(name)
        return self._breakers.setdefault(name, breaker)

    def _admit(self, name: str, context: Context) -> bool:
        """Return whether this call is a probe; purgatory itself lets any number through while half-open."""
        from purgatory.domain.model import HALF_OPENED, OpenedState  # noqa: PLC0415 - slow to import, and rarely needed

        if name in self._probing:
            raise BreakerOpen(name, PROBE_SECONDS)
        try:
            context.handle_new_request()
        except OpenedState:
            raise BreakerOpen(name, max(self._retry_after(context), 0.01)) from None
        if context.state != HALF_OPENED:
            return False
        self._probing.add(name)
        return True

    async def _learn(self, breaker: AsyncCircuitBreaker, failure: Exception | None, *, is_probe: bool) -> None:
        # A call from before it opened must not decide in the probe's place.
        if is_probe or breaker.context.state == "closed":
            await breaker.__aexit__(type(failure) if failure else None, failure, None)

    def _state(self, name: str, context: Context) -> BreakerState:
        wait = self._retry_after(context)
        is_open = context.state == "opened" and wait > 0
        return BreakerState(
            name=name,
            state="closed" if context.state == "closed" else "open" if is_open else "half-open",
            failures=context.failure_count or 0,
            retry_after=wait,
        )

    def _retry_after(self, context: Context) -> float:
        if context.opened_at is None:
            return 0.0
        return min(max(context.opened_at + self._ttl - time.time(), 0.0), self._ttl)
