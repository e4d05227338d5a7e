"""How many workers there should be, decided from what was seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system.fleet.rules import LOOKS_TO_GROW, LOOKS_TO_SHRINK, Bounds, Look, Trend, decide, restart_delay

BOUNDS = Bounds(least=1, most=3)


def look(workers: int, *, backlog: int = 0, busy: int = 0) -> Look:
    return Look(workers=workers, backlog=backlog, busy=busy, slots=10 * workers)


def after(looks: int, seen: Look, bounds: Bounds = BOUNDS) -> int:
    """What is wanted once this was seen so many times in a row."""
    trend, wanted = Trend(), seen.workers
    for _ in range(looks):
        wanted, trend = decide(trend, seen, bounds)
    return wanted


@pytest.mark.parametrize(
    "seen", [look(1, backlog=1), look(1, busy=8)], ids=["work waits", "the slots are nearly all in use"]
)
def test_one_more_when_the_work_is_too_much(seen: Look) -> None:
    """One look is no reason; the same seen again is."""
    assert [after(n, seen) for n in (1, LOOKS_TO_GROW)] == [1, 2]


def test_one_less_when_the_rest_would_do() -> None:
    """An idle worker goes only after many looks; a worker that is half busy stays."""
    looks = range(1, LOOKS_TO_SHRINK + 1)
    assert [after(n, look(2)) for n in looks] == [2] * (LOOKS_TO_SHRINK - 1) + [1]
    assert after(LOOKS_TO_SHRINK, look(3)) == 2
    assert after(LOOKS_TO_SHRINK, look(2, busy=5)) == 2


def test_the_bounds_hold() -> None:
    """Neither backlog nor idleness leads beyond them, and the dead are replaced at once."""
    assert after(LOOKS_TO_GROW, look(3, backlog=9)) == 3
    assert after(LOOKS_TO_SHRINK, look(1)) == 1
    assert after(LOOKS_TO_SHRINK, look(2), Bounds(least=2, most=3)) == 2
    assert after(1, look(0), Bounds(least=2, most=3)) == 2
    assert after(1, look(5, backlog=9)) == 3


def test_a_look_that_disagrees_starts_the_count_anew() -> None:
    """Growing and shrinking need looks in a row."""
    _, trend = decide(Trend(), look(1, backlog=1), BOUNDS)
    _, trend = decide(trend, look(1, busy=5), BOUNDS)
    assert decide(trend, look(1, backlog=1), BOUNDS)[0] == 1
    trend = Trend(idle=LOOKS_TO_SHRINK - 1).seeing(look(2, busy=5))
    assert trend == Trend()
    assert decide(Trend(idle=LOOKS_TO_SHRINK - 2), look(2), BOUNDS)[0] == 2


def test_a_change_of_the_number_starts_the_count_anew() -> None:
    """A worker more, or one less, is given time to show what it does before the next."""
    assert decide(Trend(full=LOOKS_TO_GROW - 1), look(1, backlog=1), BOUNDS) == (2, Trend(full=0))
    assert decide(Trend(idle=LOOKS_TO_SHRINK - 1), look(3), BOUNDS) == (2, Trend(idle=0))


@given(
    st.integers(0, 5),
    st.lists(st.builds(look, st.integers(0, 5), backlog=st.integers(0, 9), busy=st.integers(0, 50)), min_size=1),
)
def test_whatever_is_seen_the_answer_is_one_step_or_a_bound(least: int, looks: list[Look]) -> None:
    """No sequence of looks makes it jump within the bounds, or leave them."""
    bounds, trend = Bounds(least=least, most=least + 2), Trend()
    for seen in looks:
        wanted, trend = decide(trend, seen, bounds)
        assert bounds.least <= wanted <= bounds.most
        if bounds.least <= seen.workers <= bounds.most:
            assert abs(wanted - seen.workers) <= 1


def test_a_worker_that_keeps_dying_is_replaced_ever_later() -> None:
    """At once the first time; then after 1, 2, 4 … seconds, 30 at most."""
    assert [restart_delay(n) for n in (0, 1, 2, 3, 9)] == [0.0, 1.0, 2.0, 4.0, 30.0]
