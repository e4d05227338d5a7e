"""Draws the faults of a random experiment: the same seed, the same faults at the same times."""

from random import Random

import msgspec

from chaos.catalogue import AnyFault
from chaos.experiment import Experiment, overlaps
from harness.errors import CannotRun
from harness.records.operations import substream

SHORTEST = 0.3
"""Share of its `for` that a drawn fault lasts at least."""
TRIES = 100
"""How often a place is sought for one fault."""


def drawn(experiment: Experiment, seed: int) -> Experiment:
    """The same experiment with each of its faults at a time of its own; one without [random] as it is.

    Raises CannotRun where so many faults find no place beside each other.
    """
    if experiment.random is None:
        return experiment
    rng = substream(seed, "faults", experiment.name)
    candidates = [fault for fault in experiment.fault if fault.at is None and fault.when is None]
    placed = [fault for fault in experiment.fault if fault not in candidates]
    for _ in range(experiment.random.count):
        placed.append(_placed(experiment, candidates, placed, rng))
    ordered = sorted(placed, key=lambda fault: fault.at or 0.0)
    return msgspec.structs.replace(experiment, fault=tuple(ordered), random=None)


def _placed(experiment: Experiment, candidates: list[AnyFault], placed: list[AnyFault], rng: Random) -> AnyFault:
    """One more fault, where it breaks nothing that is broken already."""
    assert experiment.random is not None
    for _ in range(TRIES):
        fault = rng.choice(candidates)
        duration = round(fault.duration * rng.uniform(SHORTEST, 1.0), 1)
        at = round(rng.uniform(experiment.random.since, experiment.random.until or experiment.load.duration * 0.75), 1)
        fault = msgspec.structs.replace(fault, at=at, duration=duration)
        last = at + (fault.every or 0.0) * (fault.times - 1)
        within = last + duration <= experiment.load.duration
        if duration > 0 and within and not any(overlaps([*placed, fault], experiment.workers)):
            return fault
    raise CannotRun(
        f"{experiment.name}: {experiment.random.count} random faults find no place beside each other.",
        remedy="Draw fewer, make them shorter, or the load longer.",
    )
