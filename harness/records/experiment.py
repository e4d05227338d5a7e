"""What an experiment was to be: what a correct system does under its faults, and how soon it is steady again."""

from msgspec import Struct


class Steady(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The steady state: what the load must look like before the first fault, and again after the last heal.

    An iteration is served if every call it made was answered in time.
    """

    response: float = 5.0
    """Seconds from its intended start within which an iteration must be served."""
    served: float = 1.0
    """Share of the iterations that must be served so, from 0 to 1."""
    patience: float = 60.0
    """Seconds without a single answer after which the experiment is stopped, and everything healed."""


class Recovery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How soon after the last heal the steady state must be there again, and stay."""

    within: float = 10.0
    """Seconds from heal to steady."""
    last: int = 10
    """So many of the last operations must all succeed."""


class ExperimentInfo(Struct, frozen=True, kw_only=True):
    """One experiment, as it was run. It is written before the first fault."""

    name: str
    title: str
    expect: str
    """One sentence: what a correct system does."""
    steady: Steady
    recovery: Recovery
    toml: str
    """A file that does the same again: with the faults and the times that were drawn from the seed."""
