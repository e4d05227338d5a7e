"""One process's part in a load: drives its share, records what it does, counts it for whoever leads."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from temporalio.client import Client

from harness.clock import now
from harness.closings import WAITERS, Closings
from harness.driver import App, drive
from harness.errors import CannotRun
from harness.records.operations import Iteration, Operation, substream
from harness.records.run import NotARun, Run
from harness.records.verdicts import Finding
from harness.target import Target
from harness.testbed import connect
from loadtests.engine import Progress, fire
from loadtests.hosted import Loop, Plan, Share, Wish
from loadtests.mix import Mix
from loadtests.tally import Tally

Tell = Callable[[Loop, Operation], None]
"""Told of each call that has been recorded, and of whose it was."""

TRAVELLERS: Mapping[str, type[Struct]] = {kind.__name__: kind for kind in (Iteration, Operation, Finding)}
"""What a process sends to the leader, where it cannot write into the run itself."""


class Generator:
    """Drives iterations in this process.

    Its coroutines run on the bridge's loop. All else is for the hub's thread; between the two there are only deques.
    Where nobody is to be told of calls, none is counted: they are in the run.
    """

    def __init__(self, plan: Plan, target: Target, tell: Tell | None) -> None:
        self.plan = plan
        self.target = target
        self.tally = Tally()
        self._tell = tell
        self._client: Client | None = None
        self._closings: Closings | None = None
        self._share: Share | None = None
        self._told: deque[tuple[Loop, Operation]] = deque()
        self._travelling: deque[Struct] = deque()
        self._write = _joined(plan, self._travelling)
        self._closed_indices: Iterator[int] = iter(())
        self._warm: set[str] = set()
        self._in_flight = 0
        self._begun = self._walked = False

    @property
    def share(self) -> Share:
        """This process's; raises RuntimeError before it has one."""
        if self._share is None:
            raise RuntimeError("this process has no share of the load yet")
        return self._share

    @property
    def unwalked(self) -> bool:
        """Whether it has a share that nobody has begun to walk: Locust moves users about when a process is lost."""
        return self._share is not None and not self._begun

    async def connect(self) -> None:
        """Connect the target's own client. Raises CannotRun."""
        try:
            self._client = await connect(self.target, self.plan.addresses, Path(self.plan.workspace))
        except RuntimeError as error:  # the SDK's word for it
            address = self.plan.addresses["temporal.address"]
            raise CannotRun(f"Temporal at {address} cannot be reached: {error}.", remedy="Is it up?") from error

    def warm_up(self, wish: Wish) -> None:
        """Let scenarios read what they need, which takes a while: do it before the load is planned."""
        for scenario in wish.load(self.target).mix.scenarios:
            if scenario.name not in self._warm:
                self._warm.add(scenario.name)
                scenario.warm_up()

    def take(self, share: Share) -> None:
        """Take a share; call it before the load begins, and once it has connected. Raises CannotRun, ValueError."""
        self.warm_up(share.wish)
        self._share = share
        if self._client is not None:
            self._closings = Closings(self._client, f"{self.plan.run}.", waiters=WAITERS // share.processes)
        self._walked = not share.wish.loop.is_open
        before = len(self._planned()) if share.wish.loop is Loop.BOTH else 0
        self._closed_indices = itertools.count(before + share.process, share.processes)

    async def walk(self, on_progress: Callable[[Progress], None] = lambda _: None) -> Sequence[Finding]:
        """Fire this process's arrivals at their times, and wait until all their iterations have ended.

        What broke in the scenarios themselves is returned, and goes to the leader with the next report.
        """
        self._begun = True
        load = self.share.wish.load(self.target)
        scenarios = {scenario.name: scenario for scenario in load.mix.scenarios}
        mine = self.share.of(self._planned())
        try:
            app_for = partial(self._app, Loop.OPEN)
            broken = await fire(scenarios, mine, app_for, in_flight=load.in_flight, on_progress=on_progress)
            self._found(broken)
            return broken
        finally:
            self._walked = True

    async def once(self, words: Sequence[str]) -> None:
        """Drive one iteration of this mix, now: one step of a closed loop."""
        mix = _mix(self.target, tuple(words or self.share.wish.mix))
        index = next(self._closed_indices)
        rng = substream(self.plan.seed, "closed", str(index))
        scenario = rng.choices(list(mix.shares), list(mix.shares.values()))[0]
        intended, wish = now(), self.share.wish
        tenants = wish.tenants or {"": 1.0}
        iteration = Iteration(
            run=self.plan.run,
            scenario=scenario.name,
            index=self.plan.first.get(scenario.name, 0) + index,
            seed=self.plan.seed,
            intended=intended,
            # Beside an open loop, the run's figures are that one's.
            warm_up=wish.loop is Loop.BOTH or intended < self.share.begin + wish.warm_up,
            tenant=rng.choices(list(tenants), list(tenants.values()))[0],
        )
        self._in_flight += 1
        try:
            self._write(iteration)
            self._found(await drive(scenario, self._app(Loop.CLOSED, iteration)))
        finally:
            self._in_flight -= 1

    @property
    def over(self) -> bool:
        """Whether its share is driven to the end."""
        return self._share is not None and now() >= self._share.end and self._walked and not self._in_flight

    def drain(self) -> None:
        """Count what has been recorded since, and tell of it; the warm-up of an open loop is no figure."""
        while self._told and self._tell is not None:
            loop, operation = self._told.popleft()
            if loop is Loop.OPEN and operation.warm_up:
                continue
            self.tally.count(loop, operation, self.target.scenario(operation.scenario).ends)
            self._tell(loop, operation)

    def report(self) -> dict[str, Any]:
        """What the leader is to hear: figures and records since the last report, and whether the share is over."""
        over = self.over  # asked first: then what is drained is all there was
        self.drain()
        travelling = [self._travelling.popleft() for _ in range(len(self._travelling))]
        records = [[type(each).__name__, msgspec.json.encode(each)] for each in travelling]
        return {"over": over, "lines": self.tally.taken(), "records": records}

    def _planned(self) -> list[Iteration]:
        load, plan = self.share.wish.load(self.target), self.plan
        return load.iterations(plan.run, plan.seed, self.share.begin, plan.first)

    def _app(self, loop: Loop, iteration: Iteration) -> App:
        if self._client is None:
            raise RuntimeError("this process has not connected")
        return App(
            client=self._client,
            iteration=iteration,
            task_queue=self.plan.task_queue,
            workspace=Path(self.plan.workspace),
            record=partial(self._record, loop),
            addresses=self.plan.addresses,
            closings=self._closings,
        )

    def _record(self, loop: Loop, operation: Operation) -> None:
        self._write(operation)
        if self._tell is not None:
            self._told.append((loop, operation))

    def _found(self, broken: Iterable[Finding]) -> None:
        self._travelling.extend(broken)


def _joined(plan: Plan, travelling: deque[Struct]) -> Callable[[Struct], None]:
    """Where records go: into the run where this machine has it, else to the leader with the next report."""
    try:
        run = Run.joined(plan.path)
    except NotARun:
        return travelling.append
    return run.write if run.info.id == plan.run else travelling.append


@cache
def _mix(target: Target, words: tuple[str, ...]) -> Mix:
    return Mix.of(target, words)
