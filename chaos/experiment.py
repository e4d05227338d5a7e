"""Experiment files: scenarios, arrivals, faults and what a correct system does, in one TOML file."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import msgspec
from msgspec import Struct

from chaos.catalogue import AnyFault
from chaos.lines import at, explained
from harness.errors import CannotRun, UnknownName
from harness.records.experiment import Recovery, Steady
from loadtests.arrivals import Arrivals, parse

SHIPPED = Path(__file__).parent / "experiments"


class BadExperiment(CannotRun):
    """The experiment file cannot be read, or plans something that cannot be done; the message says where."""


class LoadPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[load]: which scenarios, at how many iterations a second, for how many seconds."""

    scenarios: tuple[str, ...]
    """Scenarios or domains, each with its weight behind an "=", as `temper load` takes them."""
    rate: float
    duration: float
    arrivals: str = "constant"
    """Their shape and its options, as `temper load --arrivals` takes them; a trace is sought from where one stands."""

    def __post_init__(self) -> None:
        self.planned()

    def planned(self) -> Arrivals:
        """Raises ValueError where it plans nothing, or too much."""
        return parse(self.arrivals, self.rate, self.duration)


class Random(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[random]: faults drawn from the seed, out of those that have neither `at` nor `when`."""

    count: int
    """How many are drawn; the same may be drawn again."""
    since: float = 2.0
    until: float = 0.0
    """Seconds from the start of the load between which they are injected; `until` 0 is its last quarter's beginning."""


class Experiment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One experiment, as it stands in its file."""

    name: str
    title: str
    expect: str
    """One sentence: what a correct system does."""
    load: LoadPlan
    fault: tuple[AnyFault, ...]
    """None only where shrinking asks whether it takes any: no file may have none."""
    workers: int = 2
    steady: Steady = Steady()
    recovery: Recovery = Recovery()
    random: Random | None = None
    short: bool = False
    """Whether it belongs to the short lane."""

    @property
    def needs_persistence(self) -> bool:
        """Whether Temporal must keep what it has when it is killed."""
        return any(fault.needs_persistence for fault in self.fault)

    def __post_init__(self) -> None:
        for problem in (*self._problems(), *overlaps(self.fault, self.workers)):
            raise ValueError(problem)

    def _problems(self) -> Iterator[str]:
        if self.workers < 1:
            yield f"there are {self.workers}: someone must do the work" + at("workers")
        if not self.load.scenarios:
            yield "it names none" + at("load", "scenarios")
        undrawn = [fault for fault in self.fault if fault.at is None and fault.when is None]
        if undrawn and self.random is None:
            yield (
                f"the fault on {undrawn[0].on} has neither `at` nor `when`, and there is no [random] to draw them"
                + at("fault", self.fault.index(undrawn[0]))
            )
        if self.random is not None and not undrawn:
            yield "it has nothing to draw from: leave `at` and `when` out of a fault" + at("random")
        yield from self._unsteady()
        for index, fault in enumerate(self.fault):
            for problem in fault.problems(self.workers):
                yield f"on {fault.on!r}: {problem}" + at("fault", index)
            for problem in self._untimely(fault):
                yield problem + at("fault", index)

    def _unsteady(self) -> Iterator[str]:
        if not (0 < self.steady.served <= 1):
            yield f"it is a share from 0 to 1, not {self.steady.served:g}" + at("steady", "served")
        if not (self.steady.response > 0 and self.steady.patience > 0):
            yield "response and patience are seconds above 0" + at("steady")
        if self.random is not None and not (self.random.count > 0 and 0 <= self.random.since < self._latest()):
            yield (
                f"{self.random.count} faults between {self.random.since:g} s and {self._latest():g} s: "
                "there must be one at least, and time for it" + at("random")
            )

    def _latest(self) -> float:
        assert self.random is not None
        return self.random.until or self.load.duration * 0.75

    def _untimely(self, fault: AnyFault) -> Iterator[str]:
        if fault.at is not None and fault.when is not None:
            yield f"the fault on {fault.on} has both `at` and `when`: leave one out"
        if fault.times < 1 or (fault.times > 1) != (fault.every is not None):
            yield f"the fault on {fault.on} comes again with both `every` (seconds) and `times` (2 or more)"
        first = fault.at or 0.0
        last = first + (fault.every or 0.0) * (fault.times - 1)
        if not (first >= 0 and fault.duration > 0 and last + fault.duration <= self.load.duration):
            yield (
                f"fault at {last:g} s for {fault.duration:g} s does not lie within the load of "
                f"{self.load.duration:g} s: without work before and after it, it shows nothing"
            )
        if fault.every is not None and not fault.every > fault.duration:
            yield f"the fault on {fault.on} comes every {fault.every:g} s for {fault.duration:g} s: it would never heal"


def overlaps(faults: Sequence[AnyFault], workers: int) -> Iterator[str]:
    """Faults that break the same thing at the same time: the first to heal would heal the other."""
    timed = [
        (fault.at + (fault.every or 0.0) * number, fault)
        for fault in faults
        if fault.at is not None
        for number in range(fault.times)
    ]
    for (first_at, first), (second_at, second) in combinations(sorted(timed, key=lambda each: each[0]), 2):
        if second_at < first_at + first.duration and first.touches(workers) & second.touches(workers):
            both = ", ".join(sorted(first.touches(workers) & second.touches(workers)))
            yield f"two faults on {both} overlap, at {first_at:g} s and at {second_at:g} s"


def read(path: Path) -> Experiment:
    """Read an experiment file. Raises BadExperiment."""
    text = ""
    try:
        text = path.read_text()
        return parsed(text)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError, ValueError) as error:
        told = f": {error}" if isinstance(error, OSError) else explained(str(error), text, Experiment)
        raise BadExperiment(f"{path}{told}", remedy="docs/experiments.md tells what an experiment holds.") from error


def parsed(text: str) -> Experiment:
    """The experiment that a text holds. Raises ValueError, of which msgspec's errors are."""
    experiment = msgspec.toml.decode(text, type=Experiment)
    if not experiment.fault:
        message = "it plans no fault: a load alone is `temper load`"
        raise ValueError(message)
    return experiment


def shipped() -> dict[str, Path]:
    """The experiments that come with Temper, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}


def find(name: str, beside: Path = Path()) -> Experiment:
    """The experiment of this name, or in this file, sought from `beside`. Raises UnknownName or BadExperiment."""
    if name.endswith(".toml"):
        return read(beside / name)
    known = shipped()
    if name not in known:
        raise UnknownName("experiment", name, known)
    return read(known[name])
