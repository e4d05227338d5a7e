"""Waivers: a failure that is let pass for a while, with a reason."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from harness.records.verdicts import ObjectiveResult, ObjectiveVerdict


class Waiver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is let pass, why, and until when."""

    metric: str
    """Every objective of this metric, its aim too."""
    reason: str
    until: date
    """The last day on which it counts."""
    verdict: Literal["fails", "unknown"] | None = None
    """What alone is let pass; either, where there is none."""

    def __post_init__(self) -> None:
        if not self.reason.strip():
            message = f"the waiver of {self.metric!r} has no reason"
            raise ValueError(message)

    def covers(self, result: ObjectiveResult) -> bool:
        """Whether this is what it was written for, on whatever day."""
        return (
            result.name == self.metric
            and result.verdict is not ObjectiveVerdict.HOLDS
            and self.verdict in {None, result.verdict.value}
        )


def waive(results: Iterable[ObjectiveResult], waivers: Sequence[Waiver], today: date) -> list[ObjectiveResult]:
    """The same, each with the waiver that lets it pass, or with the note that this has expired."""
    return [_waived(result, [each for each in waivers if each.covers(result)], today) for result in results]


def not_needed(results: Sequence[ObjectiveResult], waivers: Sequence[Waiver]) -> list[ObjectiveResult]:
    """The same, with a note where every objective of a waiver's metric holds: somebody may take it out."""
    failing = {result.name for result in results if result.verdict is not ObjectiveVerdict.HOLDS}
    notes = {each.metric: f"its waiver until {each.until} is not needed" for each in waivers}
    return [
        replace(result, note=notes[result.name]) if result.name in notes.keys() - failing else result
        for result in results
    ]


def _waived(result: ObjectiveResult, waivers: Sequence[Waiver], today: date) -> ObjectiveResult:
    if not waivers:
        return result
    latest = max(waivers, key=lambda each: each.until)
    if latest.until < today:
        return replace(result, note=f"its waiver expired on {latest.until}: {latest.reason}")
    return replace(result, waived=f"until {latest.until}: {latest.reason}")
