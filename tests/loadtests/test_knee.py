"""The knee is found near the true one, of a queue whose response times are known in closed form."""

from heapq import heapify, heapreplace
from math import exp, factorial
from random import Random

import pytest

from harness.checking.capacity import Limits, Trial, capacity_of
from harness.records.steps import Saturated, Standing, Step
from loadtests.knee import PRECISION, find_knee

LIMIT = 0.4
LIMITS = Limits(p99=LIMIT)
SPEED = 20.0
"""Services a second, of one server."""


class Queue:
    """M/M/c, simulated: users come at random, and wait for one of some equal servers."""

    def __init__(self, servers: int, seed: int, users: int = 3_000) -> None:
        self.servers = servers
        self.rng = Random(seed)
        self.users = users
        self.offered: list[float] = []

    async def probe(self, rate: float) -> Trial:
        """Serve so many users at this rate."""
        self.offered.append(rate)
        free = [0.0] * self.servers
        heapify(free)
        now, times, done = 0.0, [], 0.0
        for _ in range(self.users):
            now += self.rng.expovariate(rate)
            end = max(now, free[0]) + self.rng.expovariate(SPEED)
            heapreplace(free, end)
            times.append(end - now)
            done = max(done, end)
        return Trial(began=0.0, ended=done, times=times, lags=[0.0])


def share_slower(rate: float, servers: int) -> float:
    """How many of M/M/c's users take longer than LIMIT, by Erlang's C and the sum of a wait and a service."""
    load = rate / SPEED
    spare = servers * SPEED - rate
    full = load**servers / factorial(servers) * servers / (servers - load)
    waiting = full / (sum(load**number / factorial(number) for number in range(servers)) + full)
    served, both = exp(-SPEED * LIMIT), SPEED * exp(-spare * LIMIT) - spare * exp(-SPEED * LIMIT)
    return (1 - waiting) * served + waiting * both / (SPEED - spare)


def true_knee(servers: int) -> float:
    """The rate at which one in a hundred takes longer than LIMIT."""
    low, high = 0.1, servers * SPEED
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if share_slower(middle, servers) < 0.01 else (low, middle)
    return low


@pytest.mark.parametrize("servers", [2, 4, 8])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_knee_is_found_near_the_true_one(servers: int, seed: int) -> None:
    """Within a fifth: the precision of the search, and what 3,000 noisy users leave in doubt."""
    queue = Queue(servers, seed)
    steps = await find_knee(queue.probe, limits=LIMITS, start=2, most=1_000)
    found = capacity_of(steps)
    assert found.knee == pytest.approx(true_knee(servers), rel=0.2)
    assert found.knee is not None
    assert found.beyond is not None
    assert found.knee < found.beyond <= PRECISION * found.knee * 1.0001
    assert len(steps) <= 14
    assert len(queue.offered) == sum(step.repeats for step in steps)


async def test_a_rate_in_doubt_is_tried_again_until_it_is_clear_or_enough() -> None:
    """Four slow of four hundred may be chance, four of fourteen hundred are none; what stays in doubt does not hold."""

    async def probe(rate: float) -> Trial:
        slow = 0 if rate == 10 and tried else 4
        tried.append(rate)
        return Trial(began=0, ended=10, times=[*[0.1] * (396 if slow else 1_000), *[0.9] * slow], lags=[0.0])

    tried: list[float] = []
    steps = await find_knee(probe, limits=LIMITS, start=10, most=11, repeats=4)
    assert [(step.rate, step.repeats, step.standing) for step in steps] == [
        (10, 2, Standing.HOLDS),
        (11, 4, Standing.UNCLEAR),
    ]
    assert capacity_of(steps).knee == 10


async def test_three_looks_at_a_rate_deceive_no_more_often_than_the_page_says() -> None:
    """Where one in a hundred is slow, nobody can tell on which side the rate is: who does is wrong, and few do.

    With an interval that is 95 % sure at each look, one rate in thirteen was told wrongly.
    """
    rng = Random(7)

    async def probe(rate: float) -> Trial:
        slow = sum(rng.random() < 0.01 for _ in range(570)) if rate == 20 else 0
        return Trial(began=0, ended=10, times=[*[0.1] * (570 - slow), *[0.9] * slow], lags=[0.0])

    first = [(await find_knee(probe, limits=LIMITS, start=20, most=20))[0] for _ in range(300)]
    assert sum(step.standing in {Standing.HOLDS, Standing.BREAKS} for step in first) <= 0.05 * len(first)


async def made(*holding: float, start: float, most: float = 1_000.0, void: float = 1e9) -> list[Step]:
    """The steps of a search in a system that holds up to a rate, with a generator that is late from another on."""
    seen: list[Step] = []

    async def probe(rate: float) -> Trial:
        wait = 0.1 if rate <= max(holding, default=0) else 1.0
        return Trial(
            began=0,
            ended=10,
            times=[wait] * 500,
            lags=[1.0 if rate >= void else 0.0],
            saturated=Saturated(what=f"at {rate:g}", evidence="", change="more"),
        )

    steps = await find_knee(probe, limits=LIMITS, start=start, most=most, on_step=seen.append)
    assert steps == seen, "each is told as it is made"
    return steps


async def test_rates_double_until_they_break_and_are_halved_by_ratio() -> None:
    """From 5: 10, 20, 40, 80 breaks; then between 40 and 80."""
    steps = await made(50, start=5)
    rates = [step.rate for step in steps]
    assert rates[:5] == [5, 10, 20, 40, 80]
    assert rates[5:] == pytest.approx([56.57, 47.57], abs=0.01)
    assert capacity_of(steps).knee == pytest.approx(47.57, abs=0.01)
    assert capacity_of(steps).saturated == steps[5].saturated, "at the lowest rate that did not hold"


async def test_a_start_above_the_knee_is_halved_until_it_holds() -> None:
    """The search goes down as well as up."""
    steps = await made(3, start=20)
    assert [step.rate for step in steps[:4]] == [20, 10, 5, 2.5]
    assert [step.rate for step in steps[4:]] == pytest.approx([3.54, 2.97], abs=0.01)
    assert capacity_of(steps).knee == pytest.approx(2.97, abs=0.01)


async def test_a_system_that_never_holds_ends_the_search() -> None:
    """After six halvings nothing more is tried, and no knee is made up."""
    steps = await made(start=64)
    assert [step.rate for step in steps] == [64, 32, 16, 8, 4, 2, 1]
    assert capacity_of(steps).knee is None


async def test_a_system_that_never_breaks_is_tried_up_to_the_most_that_is_allowed() -> None:
    """And no further: what is above is not known."""
    steps = await made(500, start=4, most=30)
    assert [step.rate for step in steps] == [4, 8, 16, 30]
    assert (capacity_of(steps).knee, capacity_of(steps).beyond) == (30, None)


async def test_a_generator_that_is_late_is_tried_again_and_ends_the_way_up() -> None:
    """What it measured above is void; the knee that is told is no more than a lower bound."""
    steps = await made(500, start=10, void=60)
    void = [step for step in steps if step.standing is Standing.VOID]
    assert void
    assert all(step.repeats == 3 for step in void)
    assert 50 < (capacity_of(steps).knee or 0) < 60
    assert "it is higher" in capacity_of(steps).sentence


async def test_a_search_that_cannot_be_is_refused() -> None:
    """From nothing, or downwards."""
    for start, most in ((0, 10), (20, 10)):
        with pytest.raises(ValueError, match=f"not from {start}/s to {most}/s"):
            await made(5, start=start, most=most)
