"""Faults of the wire: chosen gRPC calls between a worker, or the client, and Temporal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from chaos.faults.fault import Bite, FaultPlan
from harness.errors import CannotRun, UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.testbed import Testbed
    from harness.wire import Bitten, Choice, Rule, Wire

Act = Literal["lose_request", "lose_response", "delay", "duplicate"]


class WirePlan(FaultPlan, frozen=True, kw_only=True, tag="wire"):
    """Chosen calls to Temporal are lost on their way there or back, come late, or come twice, while it lasts."""

    owner: str
    """Whose calls: worker-1, worker-2, …, workers (each of them) or client."""
    rpc: str
    """Name of the call, such as RespondActivityTaskCompleted."""
    act: Act
    activity: str = ""
    """Type of the activity that the call is about."""
    attempt: int | None = None
    """Of that activity, counted from 1."""
    signal: str = ""
    """Name of the signal that the call sends."""
    most: int | None = None
    """How many calls of an owner it hits; all without a number. One that is lost once, the SDK sends again."""
    seconds: float = 0.0
    """By how much calls are delayed."""
    silent: bool = False
    """Whether the caller of what is lost is told nothing, and waits for its deadline or heal; else UNAVAILABLE."""
    new: bool = False
    """Whether a duplicate has another request id, as of a caller who knows nothing of the first."""

    @property
    def on(self) -> str:
        return f"{self.owner}.temporal"

    def owners(self, workers: int) -> tuple[str, ...]:
        """Whose calls, one by one."""
        every = tuple(f"worker-{number}" for number in range(1, workers + 1))
        return every if self.owner == "workers" else (self.owner,)

    def touches(self, workers: int) -> frozenset[str]:
        """Nothing: each rule of a wire is lifted by itself."""
        del workers
        return frozenset()

    def problems(self, workers: int) -> Iterator[str]:
        from harness.rpc import check  # noqa: PLC0415  slow, and most experiments break no wire

        known = ("client", "workers", *(f"worker-{number}" for number in range(1, workers + 1)))
        if self.owner not in known:
            yield f"expected one of {', '.join(known)}"
        if (self.act == "delay") != (self.seconds > 0):
            yield "`seconds` above 0 belongs to delay, and to nothing else"
        if self.most is not None and self.most < 1:
            yield "`most` counts from 1"
        if self.silent and not self.act.startswith("lose"):
            yield "`silent` belongs to what is lost"
        if self.new and self.act != "duplicate":
            yield "`new` belongs to duplicates"
        try:
            check(self.rpc, set(self.choice()), answered=self.act == "lose_response")
        except (UnknownName, ValueError) as error:
            yield str(error)

    def choice(self) -> Choice:
        """Which calls, as a wire is told."""
        choice: Choice = {}
        if self.activity:
            choice["activity"] = self.activity
        if self.attempt is not None:
            choice["attempt"] = self.attempt
        if self.signal:
            choice["signal"] = self.signal
        return choice

    async def prepare(self, bed: Testbed, workers: int) -> None:
        for owner in self.owners(workers):
            await bed.stand_between(owner)

    def fault(self, bed: Testbed) -> WireFault:
        own = self.owner == "workers"
        wires = {owner: wire for owner, wire in bed.wires.items() if owner == self.owner or (own and owner != "client")}
        if not wires:
            raise CannotRun(f"No wire stands before {self.owner}.", remedy="Prepare the fault before workers start.")
        return WireFault(self, wires)


@dataclass
class WireFault:
    """One rule, on one wire or on several."""

    plan: WirePlan
    wires: Mapping[str, Wire]
    slows: float | None = None
    _rules: dict[str, Rule] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"wire {self.plan.act}"

    @property
    def on(self) -> str:
        return self.plan.on

    async def inject(self) -> None:
        self._rules = {owner: self._rule(wire) for owner, wire in self.wires.items()}

    async def bite(self) -> Bite:
        """The rules are made; is the wire one by which calls go?"""
        if not self._rules:
            return Bite(in_force=False, evidence="the wire has no such rule")
        passed = ", ".join(f"{wire.calls} calls of {owner}" for owner, wire in self.wires.items())
        return Bite(
            in_force=all(wire.calls for wire in self.wires.values()),
            evidence=f"the wire has the rule, and {passed} have come by",
        )

    async def heal(self) -> None:
        for owner, rule in self._rules.items():
            self.wires[owner].lift(rule)

    async def met(self) -> tuple[str, ...]:
        """Whose calls it hit this time; one that is sent again was hit as often."""
        hit = [(bite.at, _told(owner, bite)) for owner, rule in self._rules.items() for bite in rule.bitten]
        times = Counter(told for _, told in sorted(hit))
        return tuple(told + (f", {count} times" if count > 1 else "") for told, count in times.items())

    def _rule(self, wire: Wire) -> Rule:
        import grpc  # noqa: PLC0415  slow, and most experiments break no wire

        plan, choice = self.plan, self.plan.choice()
        code = None if plan.silent else grpc.StatusCode.UNAVAILABLE
        match plan.act:
            case "lose_request":
                return wire.lose_request(plan.rpc, code=code, times=plan.most, **choice)
            case "lose_response":
                return wire.lose_response(plan.rpc, code=code, times=plan.most, **choice)
            case "delay":
                return wire.delay(plan.rpc, plan.seconds, times=plan.most, **choice)
            case "duplicate":
                return wire.duplicate(plan.rpc, new=plan.new, times=plan.most, **choice)


def _told(owner: str, bite: Bitten) -> str:
    about = bite.about
    who = about.workflow_id or owner
    if about.activity:
        return f"{who}: {about.activity}, attempt {about.attempt}, {bite.rpc}"
    return f"{who}: signal {about.signal}, {bite.rpc}" if about.signal else f"{who}: {bite.rpc}"
