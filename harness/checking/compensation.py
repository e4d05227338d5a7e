"""The invariant of a saga: what was begun and taken back is taken back whole, once, and the last step first."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

from harness.checking.invariants import Records, as_judgement
from harness.records.effects import Effect, EffectKind
from harness.records.verdicts import Finding, Judgement
from harness.records.workflows import OPEN

CUT_OFF = frozenset({OPEN, "terminated", "timed_out"})
"""Statuses of workflows that have not come to the end of taking back, or never could."""


class Saga(Struct, frozen=True, kw_only=True):
    """An invariant of a target's own: of each workflow in whose ledger one of these steps was taken back, all are.

    Steps are judged by the order of the ledger. Nothing is said of a workflow that took nothing back, nor of one that
    was cut off while it did. Returns None for a run in which nothing was taken back.
    """

    name: str
    steps: frozenset[str]

    def __call__(self, records: Records) -> Judgement | None:
        cut_off = {run.workflow_id for run in records.workflows if run.status in CUT_OFF}
        of_workflow: dict[str, list[Effect]] = defaultdict(list)
        for effect in records.effects or ():
            if effect.step in self.steps and effect.workflow_id not in cut_off:
                of_workflow[effect.workflow_id].append(effect)
        taken_back = [each for each in of_workflow.values() if any(map(_undoes, each))]
        if not taken_back:
            return None
        findings = [finding for effects in taken_back for finding in _wrong(effects)]
        return as_judgement(self.name, len(taken_back), findings)


def _wrong(effects: Sequence[Effect]) -> Iterator[Finding]:
    """What is wrong in one workflow; its effects in their order."""
    of_key: dict[tuple[str, str, str], list[Effect]] = defaultdict(list)
    for effect in effects:
        of_key[effect.key].append(effect)
    for each in of_key.values():
        undone = sum(map(_undoes, each))
        done = len(each) - undone
        if not _undoes(each[-1]):
            yield _about(each[-1], "uncompensated", "other steps were taken back, and this one was not")
        # What is taken back before it is done may leave a line too, so that it is not done later.
        if undone > max(1, done):
            yield _about(each[-1], "overcompensated", f"it was taken back {undone} times, and done {done} times")
    yield from _out_of_order(effects)


def _out_of_order(effects: Sequence[Effect]) -> Iterator[Finding]:
    """Steps that were taken back before others which were done after them; items of one step have no order."""
    last = {effect.step: place for place, effect in enumerate(effects) if not _undoes(effect)}
    undone: dict[str, list[int]] = defaultdict(list)
    for place, effect in enumerate(effects):
        if place > last.get(effect.step, place):
            undone[effect.step].append(place)
    for earlier, later in pairwise(sorted(undone, key=last.__getitem__)):
        if undone[earlier][0] < undone[later][-1]:
            message = f"it was taken back before {later}, which was done after it: the last step is taken back first"
            yield _about(effects[undone[earlier][0]], "out_of_order", message)


def _undoes(effect: Effect) -> bool:
    return effect.kind is EffectKind.COMPENSATION


def _about(effect: Effect, problem: str, message: str) -> Finding:
    return Finding(problem=problem, message=message, workflow_id=effect.workflow_id, step=effect.step, item=effect.item)
