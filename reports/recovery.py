"""Recovery as stacked bars: one a fault, in the colours of what those who were late waited for."""

from collections.abc import Sequence

from msgspec import Struct

from harness.checking.recovery import Recovered, Untold
from harness.checking.recovery_advice import WORDS, advice
from harness.checking.waits import Cause
from harness.records.experiment import Recovery
from reports.figures import duration
from reports.svg import add, drawing, even_ticks, hint, linear, markup

ROW, BAR = 46.0, 16.0
"""Pixels: a row is high, with the name above its bar; the bar is."""
MEANINGS = {
    Cause.DETECTION: "a call is not answered yet, nobody asks for tasks, or an attempt hangs on what was broken",
    Cause.HEARTBEAT: "an attempt is lost; the server waits for its heartbeat until that timeout",
    Cause.SWALLOWED: "the server waits for an answer to what it had handed out",
    Cause.STICKY: "a workflow task is kept for a worker that does not come",
    Cause.RETRY: "an attempt has failed, and the next one is not due yet",
    Cause.DRAIN: "workers take tasks again, and others come first",
    Cause.WORK: "a worker executes it",
    Cause.OTHER: "nothing of the above",
}


class PartShown(Struct, frozen=True, kw_only=True):
    """One part of a recovery in words."""

    cause: Cause
    name: str
    means: str
    seconds: float
    share: float
    """Of the time watched, from 0 to 1."""
    longest: float
    """Seconds that one iteration waited for it, at most."""
    budget: str
    """How long one may wait for it, and by which setting; empty where nothing says."""
    over: bool


class RecoveryShown(Struct, frozen=True, kw_only=True):
    """How one fault was recovered from, in words."""

    recovered: Recovered
    sentence: str
    slow: bool
    """Whether it took longer than allowed, or never came."""
    parts: Sequence[PartShown]
    advice: Sequence[str]
    """What would make it shorter: for its largest part, and for whatever kept one iteration half of the time."""


def shown_recoveries(found: Sequence[Recovered], allowed: Recovery | None) -> list[RecoveryShown]:
    """Each recovery in words; `allowed` is what the experiment demands, where there is one."""
    return [_shown(recovered, allowed) for recovered in found]


def recovery_bars(found: Sequence[Recovered], allowed: Recovery | None, *, width: float = 960) -> str:
    """A bar a fault, from its heal to steady; a dashed line where the time allowed ends."""
    within = [allowed.within] if allowed else []
    longest = max([*(recovered.watched for recovered in found), *within, 0.1])
    left, right, bottom = 2.0, width - 10, 8 + ROW * len(found)
    svg = drawing(
        f"recovery-{width:g}",
        width,
        bottom + 40,
        title="From heal to steady, by what was waited for",
        description=" ".join(_sentence(recovered) for recovered in found),
    )
    x = linear((0, longest), (left, right))
    for tick in even_ticks(longest, 10 if width > 600 else 5):
        add(svg, "line", class_="grid", x1=x(tick), x2=x(tick), y1=8, y2=bottom)
        add(svg, "text", f"{tick:g}", class_="tick" if tick == 0 else "tick middle", x=x(tick), y=bottom + 16)
    add(svg, "text", "seconds since it was healed", class_="tick middle", x=(left + right) / 2, y=bottom + 34)
    for number, recovered in enumerate(found):
        y = 8 + ROW * number
        add(svg, "text", f"{recovered.window.name} on {recovered.window.on}", class_="lane", x=left, y=y + 16)
        add(svg, "rect", class_="rest", x=x(0), y=y + 22, width=x(recovered.watched) - x(0), height=BAR)
        since = 0.0
        for spent in recovered.spent:
            until = since + spent.seconds
            part = add(
                svg, "rect", class_=f"part {spent.cause}", x=x(since), y=y + 22, width=x(until) - x(since), height=BAR
            )
            hint(part, f"{WORDS[spent.cause]}: {duration(spent.seconds)}")
            since = until
        if recovered.seconds is None:
            add(svg, "text", "…", class_="lane", x=min(x(recovered.watched) + 4, right - 8), y=y + 34)
    for end in within:
        add(svg, "line", class_="limit", x1=x(end), x2=x(end), y1=8, y2=bottom)
    return markup(svg)


def _shown(recovered: Recovered, allowed: Recovery | None) -> RecoveryShown:
    parts = [
        PartShown(
            cause=spent.cause,
            name=WORDS[spent.cause],
            means=MEANINGS[spent.cause],
            seconds=spent.seconds,
            share=spent.seconds / recovered.watched if recovered.watched else 0.0,
            longest=spent.longest,
            budget=_budget(spent.budget, spent.setting),
            over=spent.over,
        )
        for spent in recovered.spent
    ]
    within = allowed.within if allowed else float("inf")
    return RecoveryShown(
        recovered=recovered,
        sentence=_sentence(recovered),
        slow=recovered.untold is Untold.NEVER_STEADY or (recovered.seconds or 0.0) > within,
        parts=parts,
        advice=[
            advice(spent, recovered.window)
            for number, spent in enumerate(recovered.spent)
            if number == 0 or spent.longest >= recovered.watched / 2
        ],
    )


def _budget(budget: float | None, setting: str) -> str:
    if budget is None:
        return setting and f"not declared: {setting}"
    return f"{duration(budget)}: {setting}" if setting else f"{duration(budget)}, as usual"


def _sentence(recovered: Recovered) -> str:
    if recovered.untold:
        return f"Not known how long: {recovered.untold}."
    if not recovered.seconds:
        return "Nobody was late after it was healed."
    if not recovered.spent:
        return f"Steady again after {duration(recovered.seconds)}: until then some were refused."
    number = "one iteration was" if recovered.late == 1 else f"{recovered.late} iterations were"
    most = WORDS[recovered.spent[0].cause]
    return f"Steady again after {duration(recovered.seconds)}: {number} late, and most of it went to {most}."
