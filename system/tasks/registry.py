"""Handlers: async functions from one record to another, registered by name with how they are run."""

from __future__ import annotations

import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import ValidationError

from system.errors import BatchRefused
from system.records import Record, explain
from system.tasks.reach import Reach

if TYPE_CHECKING:
    from system.pipeline.summaries import Summaries
    from system.storage.pool import Connection, Pool

TIMEOUT = 30.0
"""Seconds an attempt may take, where nobody says otherwise."""
ATTEMPTS = 10
"""With the retry policy of items they last about 40 s: longer than a restart of PostgreSQL."""

InputT = TypeVar("InputT", bound=Record)
OutputT = TypeVar("OutputT", bound=Record)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a handler may use besides its input."""

    database: Pool
    """To read from."""
    summaries: Summaries
    """What the datasets hold, by way of the cache."""
    reach: Reach
    """Which files and hosts it may use."""
    workflow_id: str
    item: str
    connection: Connection | None = None

    @property
    def transaction(self) -> Connection:
        """Where a handler that writes must write: what it writes is committed with the item's being done, or not."""
        assert self.connection is not None, "register the handler with writes=True"
        return self.connection

    @property
    def idempotency_key(self) -> str:
        """The same at every attempt: for systems outside, which must do it once."""
        return f"{self.workflow_id}/{self.item}"


Function = Callable[[InputT, Context], Awaitable[OutputT]]


@dataclass(frozen=True, kw_only=True)
class Handler(Generic[InputT, OutputT]):
    """A function and how it is run."""

    name: str
    input_type: type[InputT]
    output_type: type[OutputT]
    function: Function[InputT, OutputT]
    timeout: float
    """Seconds an attempt may take."""
    attempts: int
    pure: bool
    """The same input always gives the same output, and nothing else: a result may be used again."""
    writes: bool
    """Writes to the database through ``Context.transaction``: it runs within the item's own transaction."""
    version: int
    """Part of the key of cached results: raise it when the function answers differently."""

    @property
    def purpose(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]

    def parse(self, text: str) -> InputT:
        """Return the input, which is JSON, as its type; raises ValidationError."""
        return self.input_type.model_validate_json(text)


@dataclass(frozen=True)
class Registry:
    """The handlers a worker has, by name."""

    handlers: dict[str, Handler[Any, Any]] = field(default_factory=dict)

    def handler(
        self,
        name: str,
        *,
        timeout: float = TIMEOUT,
        attempts: int = ATTEMPTS,
        pure: bool = False,
        writes: bool = False,
        version: int = 1,
    ) -> Callable[[Function[InputT, OutputT]], Function[InputT, OutputT]]:
        """Register a function; its types are read from its annotations."""

        def register(function: Function[InputT, OutputT]) -> Function[InputT, OutputT]:
            assert name not in self.handlers, f"two handlers are called {name!r}"
            assert not (pure and writes), f"{name!r} cannot both be pure and write"
            hints = typing.get_type_hints(function)
            input_type, _, output_type = hints.values()
            self.handlers[name] = Handler(
                name=name,
                input_type=input_type,
                output_type=output_type,
                function=function,
                timeout=timeout,
                attempts=attempts,
                pure=pure,
                writes=writes,
                version=version,
            )
            return function

        return register

    def find(self, name: str) -> Handler[Any, Any]:
        """Return the handler of that name.

        Raises:
            BatchRefused: there is none; says which there are.

        """
        try:
            return self.handlers[name]
        except KeyError:
            known = ", ".join(sorted(self.handlers))
            raise BatchRefused(f"there is no handler {name!r}; expected one of {known}") from None

    def check(self, name: str, text: str) -> None:
        """Make sure that the handler is there and takes this input, which is JSON.

        Raises:
            BatchRefused: there is no such handler, or the input is not of its type.

        """
        handler = self.find(name)
        try:
            handler.parse(text)
        except ValidationError as error:
            raise BatchRefused(f"{name} does not take this input: {explain(error)}") from error
