"""Leads a load that several processes drive: plans it, hands out the shares, gathers what they report, notes it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness.clock import now
from harness.errors import CannotRun
from harness.records.hosted import Hosted, HostedLine
from harness.records.run import Run
from harness.records.verdicts import Finding
from harness.target import Target
from loadtests.generator import TRAVELLERS
from loadtests.hosted import Plan, Share, Wish
from loadtests.load import Load
from loadtests.tally import Tally

LEAD_SECONDS = 1.0
"""Between handing out the shares and the first arrival, so that the first one is not late already."""
GRACE_SECONDS = 30.0
"""What the last iterations have, past the limit of the slowest scenario, before the load is over without them."""

Heard = Mapping[tuple[str, str], tuple[float | None, float | None]]
"""What Locust says of each line: its median and its 99th percentile, in seconds."""


class Leader:
    """The one process that knows the whole load. One run is one load."""

    def __init__(self, plan: Plan, target: Target) -> None:
        self.plan = plan
        self.target = target
        self.run = Run.joined(plan.path)
        self.tally = Tally()
        self.shares: dict[str, Share] = {}
        self._over: set[str] = set()
        self._ended: float | None = None
        self._broken: list[Finding] = []

    @property
    def share(self) -> Share | None:
        """Anyone's share, for what all have in common; None before the load begins."""
        return next(iter(self.shares.values()), None)

    @property
    def began(self) -> float | None:
        """When the load began; None before."""
        return self.share.begin if self.share else None

    @property
    def report(self) -> Path:
        """Where the run's report is, once it is judged."""
        return self.plan.path.absolute() / "report.html"

    def allow(self, wish: Wish) -> Load:
        """The load that is wished for. Raises CannotRun, ValueError where it is none, or cannot be had."""
        if self.share is not None:
            raise CannotRun("A run is one load, and this one has had it.", remedy="Start Locust again for another.")
        return self.plan.checked(wish, self.target)

    def begin(self, wish: Wish, processes: Sequence[str]) -> None:
        """Divide a load among these processes, and note every iteration that it plans. Raises CannotRun, ValueError."""
        load = self.allow(wish)
        begin = now() + LEAD_SECONDS + load.planning
        mine = wish.among(len(processes))
        self.shares = {
            name: Share(begin=begin, process=number, processes=len(processes), wish=mine)
            for number, name in enumerate(processes)
        }
        if wish.loop.is_open:
            self.run.write_all(load.iterations(self.plan.run, self.plan.seed, begin, self.plan.first))
        self._note({})

    def hear(self, process: str, report: Mapping[str, Any]) -> None:
        """Take in what a process reports of itself."""
        self.tally.add(report["lines"])
        for name, encoded in report["records"]:
            record = msgspec.json.decode(encoded, type=TRAVELLERS[name])
            if isinstance(record, Finding):
                self._broken.append(record)
            else:
                self.run.write(record)
        if report["over"]:
            self._over.add(process)

    def over(self, present: Iterable[str]) -> bool:
        """Whether each process that is still there has driven its share to the end, or had all the time it can need."""
        if (share := self.share) is None:
            return False
        slowest = max(scenario.timeout for scenario in share.wish.load(self.target).mix.scenarios)
        if now() > share.end + slowest + GRACE_SECONDS:
            return True
        return now() >= share.end and set(present) & set(self.shares) <= self._over

    def end(self, heard: Heard) -> None:
        """Note the figures, ours and Locust's. The load was stopped if it was not over; may be called again."""
        if self.share:
            self._ended = self._ended or now()
            self._note(heard)

    def _note(self, heard: Heard) -> None:
        assert self.share is not None
        cut = None if self._over.issuperset(self.shares) else self._ended
        lines = [
            HostedLine(
                loop=loop,
                call=call,
                calls=line.calls,
                failures=line.failures,
                p50=line.percentile(50),
                p99=line.percentile(99),
                locust_p50=heard.get((loop, call), (None, None))[0],
                locust_p99=heard.get((loop, call), (None, None))[1],
            )
            for (loop, call), line in self.tally.sorted()
        ]
        self.run.write_hosted(
            Hosted(
                load=msgspec.structs.replace(
                    self.share.info(self.target),
                    stopped=None if cut is None else max(0.0, cut - self.share.begin),
                ),
                loop=self.share.wish.loop,
                ended=self._ended,
                lines=lines,
                broken=self._broken,
            )
        )
