"""Faults inside workers: at a chosen point of an activity attempt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from chaos.faults.fault import Bite, FaultPlan
from harness.errors import CannotRun
from harness.together import together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.armed import Armed
    from harness.faultpoints import FaultPoints, Place
    from harness.testbed import Testbed
    from harness.workers import Worker

Act = Literal[
    "before",
    "refuse",
    "after_commit",
    "lose",
    "hang",
    "complete_late",
    "run_twice",
    "kill_before",
    "kill_after",
]
"""What each does is told at `harness.faultpoints.Place`; `refuse` is `before`, and not to be retried."""


class PointPlan(FaultPlan, frozen=True, kw_only=True, tag="point"):
    """Attempts of one activity fail, hang, run twice, get lost or kill their worker, while it lasts."""

    activity: str
    """Type of the activity."""
    act: Act
    attempt: int = 1
    """Counted from 1."""
    call: int | None = None
    """Which of the calls of that activity, counted from 1 while it lasts; every one without a number."""
    share: float = 1.0
    """Of the workflows, above 0 and up to 1; the seed of the run draws which."""

    @property
    def on(self) -> str:
        return self.activity

    def touches(self, workers: int) -> frozenset[str]:
        """The workers that it kills; beside any other act, others may do as they like."""
        killed = range(1, workers + 1) if self.act.startswith("kill") else ()
        return frozenset(f"worker-{number}" for number in killed)

    def problems(self, workers: int) -> Iterator[str]:
        del workers
        if self.attempt < 1 or (self.call is not None and self.call < 1):
            yield "attempt and call are counted from 1"
        if not 0 < self.share <= 1:
            yield f"share is above 0 and up to 1, not {self.share:g}"

    async def prepare(self, bed: Testbed, workers: int) -> None:
        del workers
        bed.look_for_faults()

    def fault(self, bed: Testbed) -> PointFault:
        if bed.fault_points is None:
            raise CannotRun("Its workers do not look for fault points.", remedy="Prepare the fault before they start.")
        place = bed.fault_points.at(
            self.activity,
            prefix=f"{bed.run.info.id}.",
            attempt=self.attempt,
            call=self.call,
            share=self.share,
            seed=bed.run.info.seed,
        )
        return PointFault(self, place, bed.fault_points, bed.at_work)


@dataclass
class PointFault:
    """One fault point, armed for the workflows of the run."""

    plan: PointPlan
    place: Place
    points: FaultPoints
    workers: Sequence[Worker]
    slows: float | None = None
    _armed: Armed | None = None
    _looking: set[int] = field(default_factory=set)

    @property
    def name(self) -> str:
        return f"point {self.plan.act}"

    @property
    def on(self) -> str:
        return self.plan.on

    async def inject(self) -> None:
        # Asked before: a worker that it kills looks no more.
        self._looking = self.points.looking()
        self._armed = _arm(self.place, self.plan.act)

    async def bite(self) -> Bite:
        """It is armed; does any process look at what is armed?"""
        if self._armed is None:
            return Bite(in_force=False, evidence="it is not armed")
        if not self._looking:
            return Bite(in_force=False, evidence="it is armed, and no worker looks for fault points")
        return Bite(in_force=True, evidence=f"it is armed, and {len(self._looking)} workers look for fault points")

    async def heal(self) -> None:
        """Disarm it, and start the workers again that it killed."""
        if self._armed is None:
            return
        self._armed.disarm()
        killed = {bite.pid for bite in self._armed.bitten() if bite.act == "kill"}
        await together(_again(worker) for worker in self.workers if worker.pid in killed)

    async def met(self) -> tuple[str, ...]:
        """The attempts that it bit this time."""
        bitten = self._armed.bitten() if self._armed else []
        return tuple(f"{each.workflow_id}: {each.activity}, attempt {each.attempt}" for each in bitten)


def _arm(place: Place, act: Act) -> Armed:
    armed: Armed = place.before(retryable=False) if act == "refuse" else getattr(place, act)()
    return armed


async def _again(worker: Worker) -> None:
    await worker.process.wait()
    await worker.kill()  # what the dead one left behind
    await worker.start()
