"""Experiment files: scenarios, arrivals, faults and what a correct system does, in one TOML file."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from harness.errors import CannotRun, UnknownName
from loadtests.arrivals import Arrivals, parse

SHIPPED = Path(__file__).parent / "experiments"


class BadExperiment(CannotRun):
    """The experiment file cannot be read, or plans something that cannot be done; the message says where."""


class LoadPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[load]: which scenario, at how many iterations a second, for how many seconds."""

    scenario: str
    rate: float
    duration: float
    arrivals: str = "constant"
    """Their shape and its options, as `temper load --arrivals` takes them; a trace is sought from where one stands."""

    def planned(self) -> Arrivals:
        """Raises ValueError where it plans nothing, or too much."""
        return parse(self.arrivals, self.rate, self.duration)


class FaultPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"duration": "for"}):
    """[[fault]]: what to break, when and for how long, in seconds from the start of the load."""

    kind: Literal["link_down"]
    owner: str
    """Whose link: worker-1, worker-2, … or client."""
    service: Literal["temporal", "postgres", "redis"]
    at: float
    duration: float


class Experiment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One experiment, as it stands in its file."""

    name: str
    title: str
    expect: str
    """One sentence: what a correct system does."""
    load: LoadPlan
    fault: tuple[FaultPlan, ...]
    workers: int = 2

    def __post_init__(self) -> None:
        self.load.planned()
        for problem in (*self._problems(), *_overlaps(self.fault)):
            raise ValueError(problem)

    def _problems(self) -> Iterator[str]:
        if self.workers < 1:
            yield f"workers is {self.workers}: someone must do the work"
        if not self.fault:
            yield "it plans no fault: a load alone is `temper load`"
        owners = {"client", *(f"worker-{number}" for number in range(1, self.workers + 1))}
        for fault in self.fault:
            if fault.owner not in owners:
                yield f"fault on {fault.owner!r}: expected one of {', '.join(sorted(owners))}"
            if not (fault.at >= 0 and fault.duration > 0 and fault.at + fault.duration <= self.load.duration):
                yield (
                    f"fault at {fault.at} s for {fault.duration} s does not lie within the load of "
                    f"{self.load.duration} s: without work before and after it, it shows nothing"
                )


def _overlaps(faults: Sequence[FaultPlan]) -> Iterator[str]:
    """Faults that break the same link at the same time: the first to heal would heal the other."""
    for first, second in combinations(sorted(faults, key=lambda fault: fault.at), 2):
        if (first.owner, first.service) == (second.owner, second.service) and second.at < first.at + first.duration:
            yield f"two faults on {first.owner}.{first.service} overlap, at {first.at} s and at {second.at} s"


def read(path: Path) -> Experiment:
    """Read an experiment file. Raises BadExperiment."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Experiment)
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise BadExperiment(f"{path}: {error}", remedy="docs/experiments.md tells what an experiment holds.") from error


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
