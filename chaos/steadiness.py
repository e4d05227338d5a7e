"""Looks, while an experiment runs, whether the load is served: nothing is broken before it is, nor for ever."""

import asyncio
from collections.abc import Sequence

from chaos.situation import Situation
from harness.checking.steady import is_steady, served_of
from harness.clock import now
from harness.errors import HarnessError
from harness.records.experiment import Steady
from harness.records.operations import Iteration

LOOK_EVERY = 0.5


class NotSteady(HarnessError):
    """The load is not served, with nothing broken yet; or nobody is answered any more."""


class Steadiness:
    """The steady state of one load, as it is now."""

    def __init__(self, steady: Steady, begin: float, situation: Situation, iterations: Sequence[Iteration]) -> None:
        """`iterations` may grow; those meant to start before `begin` are left out."""
        self._steady = steady
        self._begin = begin
        self._situation = situation
        self._iterations = iterations

    def before(self) -> None:
        """Called before the first fault. Raises NotSteady where too few are served."""
        time, steady = now(), self._steady
        still_open = self._situation.progress.open
        ended = [each for each in self._iterations if (each.scenario, each.index) not in still_open]
        overdue = sum(each.intended + steady.response <= time for each in still_open.values())
        served, due = served_of(ended, self._situation.operations, steady, self._begin, time)
        if is_steady(served, due + overdue, steady) is False:
            raise NotSteady(
                f"Before the first fault {due + overdue - served} of {due + overdue} iterations were not served within "
                f"{steady.response:g} s, so nothing was broken: ask for fewer a second, or for a longer response in "
                "[steady]."
            )

    async def watch(self) -> None:
        """Go on until cancelled. Raises NotSteady as `look` does."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.look()

    def look(self) -> None:
        """Raises NotSteady where an iteration is open, and nobody was answered, for too long."""
        patience, opened = self._steady.patience, self._situation.progress.open
        oldest = min((iteration.intended for iteration in opened.values()), default=now())
        if now() - max(self._begin, oldest, self._situation.last_answer) > patience:
            raise NotSteady(
                f"{len(opened)} iterations wait, and nobody was answered for {patience:g} s: the experiment was "
                "stopped, and everything healed. [steady] patience says how long it may take."
            )
