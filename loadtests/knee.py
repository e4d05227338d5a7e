"""Looks for the knee: the highest rate at which the objectives still hold."""

from collections.abc import Awaitable, Callable
from math import sqrt

from harness.checking.capacity import Limits, Trial, judged
from harness.records.steps import Standing, Step

REPEATS = 3
"""How often a rate is tried, at most, until it is clear whether the objectives hold there."""
PRECISION = 1.2
"""Ten per cent to each side: the ratio of the lowest rate that does not hold to the highest that does, at the end."""
HALVINGS = 6
"""How often the rate is halved, at most, where the first did not hold."""

Probe = Callable[[float], Awaitable[Trial]]
"""Offers a rate for a while."""


async def find_knee(
    probe: Probe,
    *,
    limits: Limits,
    start: float,
    most: float,
    repeats: int = REPEATS,
    on_step: Callable[[Step], None] = lambda _: None,
) -> list[Step]:
    """Every step, in the order it was made; `capacity_of` tells what they show.

    The rate doubles from `start` until the objectives no longer hold, at `most` if need be, or is halved until they
    do; then the rates between are halved, by ratio. Iterations a second. What is not clear after `repeats` trials, and
    what is void, counts as not holding: nobody has seen that it does.
    """
    if not 0 < start <= most:
        message = f"a search goes from a rate above 0 to a higher one, not from {start:g}/s to {most:g}/s"
        raise ValueError(message)
    steps: list[Step] = []

    async def holds(rate: float) -> bool:
        trials: list[Trial] = []
        while True:
            trials.append(await probe(rate))
            step = judged(rate, trials, limits, looks=repeats)
            clear = step.standing in {Standing.HOLDS, Standing.BREAKS}
            if clear or len(trials) >= repeats:
                break
        steps.append(step)
        on_step(step)
        return step.standing is Standing.HOLDS

    low, high = start, start
    if await holds(start):
        while high == low and low < most:
            high = min(2 * low, most)
            low = high if await holds(high) else low
    else:
        halvings = 0
        while low == high and halvings < HALVINGS:
            low = high / 2
            halvings += 1
            high = high if await holds(low) else low
    while high > PRECISION * low:
        rate = sqrt(low * high)
        low, high = (rate, high) if await holds(rate) else (low, rate)
    return steps
