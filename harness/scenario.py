"""The contract of a scenario: one kind of real use, written once, run as a test, as load and under faults."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Generic, TypeVar

from harness.records.effects import Fact
from harness.records.operations import Iteration, Operation
from harness.records.verdicts import Finding

if TYPE_CHECKING:
    import asyncpg
    from redis.asyncio import Redis

    from harness.driver import App

InputT = TypeVar("InputT")


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Where a scenario looks to see what really happened. A store the target does not use is None."""

    postgres: "asyncpg.Pool | None" = None
    redis: "Redis | None" = None
    addresses: Mapping[str, str] = field(default_factory=dict)
    """The stack's own, past all links, as temper.toml names them: "outside.url", to ask what it counted."""


class Scenario(ABC, Generic[InputT]):
    """Draw an input, drive it, observe the stores, check. pytest drives one iteration of it, load ten thousand.

    A scenario keeps nothing between iterations: what an iteration needs is in its input, what it did is in the
    operations, and what came of it is in the stores.
    """

    name: str
    """Unique in the catalogue, without dots; "domain-what"."""
    proves: str
    """One line: what a passing run of it shows."""
    ends: frozenset[str] = frozenset({"completed"})
    """The closing statuses its workflows may have, also under faults."""
    weight: float = 1.0
    """How often it is used beside the others of its domain, in a mix of them; 0: only where it is named itself."""
    timeout: float = 60.0
    """Seconds one iteration may take before its open calls are given up as `info`."""

    @property
    def domain(self) -> str:
        """The part of the name before the first hyphen."""
        return self.name.partition("-")[0]

    def warm_up(self) -> None:
        """Read what drawing and driving need, such as a data file. Called once, in a thread, before the first start."""
        return

    @abstractmethod
    def draw(self, rng: Random) -> InputT:
        """Draw an input. Pure: the same generator state gives the same input."""

    @abstractmethod
    async def run(self, app: "App", given: InputT) -> None:
        """Use the system as its users do. Every call made through `app` is recorded, with its times and its fate."""

    @abstractmethod
    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        """Count in the stores what these iterations left there, by iteration index.

        In bulk: a bounded number of queries, for one iteration or for ten thousand.
        """

    @abstractmethod
    def check(self, given: InputT, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """Say what is wrong with one iteration. Pure safety: what it demands is true under faults too.

        Whether it came to an end at all is liveness, and not judged here.
        """
