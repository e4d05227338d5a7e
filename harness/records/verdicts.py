"""Findings and verdicts: what a check found, and what may be concluded."""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct


class Verdict(StrEnum):
    """What may be concluded. The worst wins: invalid, then unknown, then valid."""

    VALID = "valid"
    UNKNOWN = "unknown"
    INVALID = "invalid"

    @classmethod
    def worst(cls, verdicts: Iterable["Verdict"]) -> "Verdict":
        """The worst of these; unknown if there are none, for nothing was checked."""
        order = (cls.VALID, cls.UNKNOWN, cls.INVALID)
        return max(verdicts, key=order.index, default=cls.UNKNOWN)


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is wrong, and where to look."""

    problem: str
    """Its class: lost, doubled, phantom, torn, open, task_failed, …"""
    message: str
    workflow_id: str | None = None
    step: str | None = None
    item: str | None = None
    attempt: int | None = None
    """The attempt that did it, where the finding is about one of several."""


class Judgement(Struct, frozen=True, kw_only=True):
    """What one invariant says of a run."""

    invariant: str
    verdict: Verdict
    checked: int
    """How many things were looked at. Nothing looked at is never valid."""
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    """Why the verdict is unknown; empty otherwise."""


class ObjectiveVerdict(StrEnum):
    HOLDS = "holds"
    FAILS = "fails"
    UNKNOWN = "unknown"


class ObjectiveResult(Struct, frozen=True, kw_only=True):
    """One objective beside what was measured."""

    name: str
    title: str
    hard: bool
    """A hard objective decides the gate; an aim is reported."""
    threshold: str
    """As it reads: "< 2 s"."""
    measured: str
    """As it reads: "1.21 s (median 0.98 s, n=30)"; "not measured" where it was not."""
    value: float | None
    verdict: ObjectiveVerdict
    run: str = ""
    """The run that measured it, or whose it is not measured in; of several runs together, the one that counts."""
    command: str = ""
    """What measures it: "nox -s types"."""
    measured_at: float | None = None
    """When, in seconds since the Unix epoch; None where it was not measured."""
    waived: str = ""
    """Why its failure is let pass, and until when; empty where it is not."""
    note: str = ""
    """What else is to be said of it: that its waiver has expired, or is not needed."""
    kinds: tuple[str, ...] = ()
    """The kinds of run that it is for: of a metric there may be others, for other kinds."""
