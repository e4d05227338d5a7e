"""Recovery explained: how long after each heal nobody was late any more, and what those who were waited for."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import pairwise

from msgspec import Struct

from harness.checking.lateness import NEVER, Life, limit_of, lives_of, steady_from
from harness.checking.pauses import noticing
from harness.checking.responses import responses
from harness.checking.stories import Stories
from harness.checking.waits import Cause, Wait
from harness.records.columns import frame_of
from harness.records.experiment import Steady
from harness.records.faults import FaultWindow
from harness.records.operations import Operation
from harness.records.workflows import WorkflowRun


class Untold(StrEnum):
    """Why nobody can say how long recovery took."""

    NOT_IN_FORCE = "it was never in force"
    OTHERS_IN_FORCE = "another fault was still in force"
    NOBODY = "nobody was to be served after it"
    NEXT_FAULT = "the next fault came before it was steady"
    NEVER_STEADY = "it was never steady again"


UNWATCHED = frozenset({Untold.NOT_IN_FORCE, Untold.OTHERS_IN_FORCE, Untold.NOBODY})
"""Then there is nothing to watch; in the other cases it is told what those who were late waited for all the same."""


class Spent(Struct, frozen=True, kw_only=True):
    """What part of a recovery one cause is."""

    cause: Cause
    seconds: float
    longest: float
    """Seconds that one iteration waited for it, at most."""
    budget: float | None
    """Seconds that one iteration may wait for it by what is declared; None where nothing is."""
    setting: str
    """What sets the budget; empty where nothing does."""

    @property
    def over(self) -> bool:
        """Whether one iteration waited for it longer than it may."""
        return self.budget is not None and self.longest > self.budget


class Recovered(Struct, frozen=True, kw_only=True):
    """How one fault was recovered from. Lengths are seconds."""

    window: FaultWindow
    limit: float
    """From its intended start to its answer, beyond which an iteration is late."""
    seconds: float | None
    """From heal until steady; None where that is not known, or never came."""
    untold: Untold | None = None
    """Why it is not known; None where it is."""
    watched: float
    """From heal until steady, or until the next fault, or as long as anything is known; 0 where nobody could watch."""
    late: int
    """Iterations that were late in that time."""
    spent: tuple[Spent, ...]
    """What they waited for, the most first. Each moment is shared out evenly among those who were late in it; a
    moment in which nobody was belongs to no part."""


def recoveries(
    operations: Sequence[Operation],
    workflows: Sequence[WorkflowRun],
    windows: Iterable[FaultWindow],
    steady: Steady,
) -> list[Recovered]:
    """How each fault was recovered from, in the order of their injection; operations are those of the load."""
    ordered = sorted(windows, key=lambda window: window.injected)
    if not ordered:
        return []
    first = ordered[0].injected
    lives = lives_of(responses(frame_of(Operation, operations), {}))
    limit, stories = limit_of(lives, first, steady), Stories(operations, workflows, first)
    return [_recovered(window, ordered, lives, limit, steady, stories) for window in ordered]


def _recovered(
    window: FaultWindow,
    windows: Sequence[FaultWindow],
    lives: Sequence[Life],
    limit: float,
    steady: Steady,
    stories: Stories,
) -> Recovered:
    heal = window.healed
    others = [each for each in windows if each.in_force and each is not window]
    following = min((each.injected for each in others if each.injected >= heal), default=NEVER)
    charged = [life for life in lives if life.ended > heal and _is_charged(life, following, limit)]
    moment = steady_from(charged, heal, limit, steady)
    untold = _why_unknown(window, others, charged, moment, following)
    if untold in UNWATCHED:
        return Recovered(window=window, limit=limit, seconds=None, untold=untold, watched=0.0, late=0, spent=())
    until = moment if moment is not None and untold is None else min(following, max(heal, stories.end))
    late = [life for life in charged if life.later_than(limit) and life.intended < until]
    # One that ends after it is steady again did not hold it up: as many may be late as the experiment allows.
    late = [life for life in late if untold or life.ended <= until]
    at = stories.heal(window, following)
    return Recovered(
        window=window,
        limit=limit,
        seconds=until - heal if untold is None else None,
        untold=untold,
        watched=until - heal,
        late=len(late),
        spent=_shared_out([stories.path(life, at, until) for life in late], window),
    )


def _is_charged(life: Life, following: float, limit: float) -> bool:
    """Whether it is this fault that an iteration would be late for, and not the one that follows."""
    return life.intended < following and (life.ended <= following or following - life.intended > limit)


def _why_unknown(
    window: FaultWindow,
    others: Iterable[FaultWindow],
    lives: Sequence[Life],
    moment: float | None,
    following: float,
) -> Untold | None:
    if not window.in_force:
        return Untold.NOT_IN_FORCE
    if any(each.injected < window.healed < each.healed for each in others):
        return Untold.OTHERS_IN_FORCE
    if not lives:
        return Untold.NOBODY
    if moment is not None and moment <= following:
        return None
    return Untold.NEXT_FAULT if following < NEVER else Untold.NEVER_STEADY


def _shared_out(paths: Sequence[Sequence[Wait]], window: FaultWindow) -> tuple[Spent, ...]:
    """Seconds of each cause: at every moment an equal share for each path, the most first."""
    waits = [wait for path in paths for wait in path]
    edges = sorted([(wait.since, wait.cause, 1) for wait in waits] + [(wait.until, wait.cause, -1) for wait in waits])
    going_on, seconds = dict.fromkeys(Cause, 0), dict.fromkeys(Cause, 0.0)
    for (at, cause, change), (following, _, _) in pairwise(edges):
        going_on[cause] += change
        everybody = sum(going_on.values())
        for each, number in going_on.items():
            if number:
                seconds[each] += (following - at) * number / everybody
    spent = [
        _spent(cause, seconds[cause], [[wait for wait in path if wait.cause is cause] for path in paths], window)
        for cause in Cause
        if seconds[cause] > 0
    ]
    return tuple(sorted(spent, key=lambda each: -each.seconds))


def _spent(cause: Cause, seconds: float, paths: Iterable[Sequence[Wait]], window: FaultWindow) -> Spent:
    """With the budget of the iteration that waited longest for it, and the setting that most of that time goes to."""
    longest = max(paths, key=_length)
    most = max(longest, key=lambda wait: wait.until - wait.since)
    budgets = [wait.budget for wait in longest if wait.budget is not None]
    budget, setting = max(budgets, default=None), most.setting
    if cause is Cause.WORK:
        # One execution comes after another, each with its own.
        budget = sum(budgets) if len(budgets) == len(longest) else None
    elif cause is Cause.DETECTION:
        budget, setting = noticing(window)
    return Spent(cause=cause, seconds=seconds, longest=_length(longest), budget=budget, setting=setting)


def _length(waits: Iterable[Wait]) -> float:
    return sum(wait.until - wait.since for wait in waits)
