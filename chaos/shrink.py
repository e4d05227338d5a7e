"""Shrinks the faults of a failing experiment to the fewest that still make it fail, by delta debugging. Pure."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

BUDGET = 30
"""Runs at most, of everything together."""
REPEATS = 5
"""How often the experiment is run to see it fail at all; and what is left of it, to see how often it does."""
LOOKS, LOOKS_IF_FLAKY = 2, 3
"""How often an experiment with one fault less must pass before that fault is kept."""

FaultT = TypeVar("FaultT")


@dataclass(frozen=True, kw_only=True)
class Shrunk(Generic[FaultT]):
    """What came of it."""

    faults: tuple[FaultT, ...]
    """The fewest and simplest that were seen to fail: none where it fails anyway; all where it was not reproduced."""
    reproduced: bool
    """Whether the experiment failed again at all."""
    runs: int
    failed: int
    """How often what is left failed when it was repeated, …"""
    repeats: int
    """… of so many runs, which had no part in finding it."""
    exhausted: bool
    """The runs were used up, or it was stopped, before everything smaller was tried."""


class _Spent(Exception):
    """No run is left for this."""


class Shrinking(Generic[FaultT]):
    """One search, at any moment of which `so_far` tells the best that was found.

    `fails` runs the experiment with these faults, in this order, and tells whether it fails as it did. All of them,
    half of them, or one is left out where it still does. Then each fault that is left is replaced by the first of its
    `simpler` ones with which it still does, until there is none. What was seen to fail is never given up again.

    A failure may depend on chance, so what passed once may fail all the same. It is taken to pass as long as there is
    much to leave out; in the end, where it costs least, each fault that is left is left out once more, and a third time
    if anything was seen both to pass and to fail. Too large a result is all that bad luck can lead to.
    """

    def __init__(
        self,
        faults: Sequence[FaultT],
        fails: Callable[[tuple[FaultT, ...]], Awaitable[bool]],
        *,
        simpler: Callable[[FaultT], Iterable[FaultT]] = lambda _: (),
        budget: int = BUDGET,
    ) -> None:
        self.faults = tuple(faults)
        self.budget = budget
        self.runs = 0
        self._fails = fails
        self._simpler = simpler
        self._limit = budget
        self._passed: list[tuple[FaultT, ...]] = []
        self._flaky = False
        self._reproduced = False
        self._failed, self._repeats = 0, 0
        self._exhausted = True

    @property
    def so_far(self) -> Shrunk[FaultT]:
        """What has come of it, also if it was stopped."""
        return Shrunk(
            faults=self.faults,
            reproduced=self._reproduced,
            runs=self.runs,
            failed=self._failed,
            repeats=self._repeats,
            exhausted=self._exhausted,
        )

    async def run(self) -> Shrunk[FaultT]:
        """Search to the end, or until all runs but those kept for repeats are used up."""
        for _ in range(min(REPEATS, self.budget)):
            self._reproduced = self._reproduced or await self._try(self.faults)
        if not self._reproduced:
            return self.so_far
        self._limit = self.budget - min(REPEATS, self.budget // 4)
        try:
            await self._fewer()
            await self._look_again()
            await self._simplify()
            self._exhausted = False
        except _Spent:
            pass
        self._limit = self.budget
        for _ in range(min(REPEATS, self.budget - self.runs)):
            self._failed += await self._try(self.faults)
            self._repeats += 1
        return self.so_far

    async def _fewer(self) -> None:
        size = len(self.faults)
        while size:
            await self._without_each(size, patience=1)
            size //= 2

    async def _look_again(self) -> None:
        await self._without_each(1, patience=LOOKS)
        if self._flaky:
            await self._without_each(1, patience=LOOKS_IF_FLAKY)

    async def _without_each(self, size: int, patience: int) -> None:
        """Leave out so many neighbours at a time, where it fails without them."""
        at = 0
        while at < len(self.faults):
            rest = self.faults[:at] + self.faults[at + size :]
            if not await self._still_fails(rest, patience):
                at += size

    async def _simplify(self) -> None:
        for at in range(len(self.faults)):
            while await self._simplified(at):
                pass

    async def _simplified(self, at: int) -> bool:
        for fault in self._simpler(self.faults[at]):
            candidate = (*self.faults[:at], fault, *self.faults[at + 1 :])
            if await self._still_fails(candidate, LOOKS if self._flaky else 1):
                return True
        return False

    async def _still_fails(self, candidate: tuple[FaultT, ...], patience: int) -> bool:
        while self._passed.count(candidate) < patience:
            if await self._try(candidate):
                self.faults = candidate
                return True
        return False

    async def _try(self, candidate: tuple[FaultT, ...]) -> bool:
        if self.runs >= self._limit:
            raise _Spent
        self.runs += 1
        failed = await self._fails(candidate)
        if failed:
            self._flaky = self._flaky or candidate in self._passed
        else:
            self._passed.append(candidate)
        return failed
