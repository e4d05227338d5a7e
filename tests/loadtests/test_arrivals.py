"""Arrivals are planned before the load begins: evenly, from the start, and as many as the rate says."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.arrivals import MOST, constant

RATES = st.floats(min_value=0.01, max_value=500)
DURATIONS = st.floats(min_value=0.01, max_value=60)


@given(rate=RATES, duration=DURATIONS)
def test_constant_arrivals_are_even_and_within_the_duration(rate: float, duration: float) -> None:
    """They begin at 0, are 1/rate apart, are as many as rate and duration say, and end within the duration."""
    if round(rate * duration) < 1:
        with pytest.raises(ValueError, match="plans 0 iterations"):
            constant(rate, duration)
        return
    arrivals = constant(rate, duration)
    assert len(arrivals) == round(rate * duration)
    assert arrivals[0] == 0
    assert arrivals == sorted(arrivals)
    assert all(math.isclose(later - earlier, 1 / rate, rel_tol=1e-6) for earlier, later in pairwise(arrivals))
    assert arrivals[-1] <= duration, "half an arrival more is rounded up, and never falls behind the end"


@given(rate=RATES, duration=DURATIONS)
def test_the_same_plan_twice_is_the_same(rate: float, duration: float) -> None:
    """Arrivals are a pure function of rate and duration."""
    if round(rate * duration):
        assert constant(rate, duration) == constant(rate, duration)


@pytest.mark.parametrize("wrong", [0, -1, math.nan, math.inf, -math.inf])
def test_a_rate_or_duration_that_makes_no_sense_is_refused(wrong: float) -> None:
    """Zero, negative, endless or no number at all: each is refused with the unit and the value."""
    with pytest.raises(ValueError, match=f"the rate must be above 0 iterations a second, not {wrong}"):
        constant(wrong, 1)
    with pytest.raises(ValueError, match=f"the duration must be above 0 seconds, not {wrong}"):
        constant(1, wrong)


def test_a_plan_of_nothing_or_of_too_much_is_refused() -> None:
    """A slip of the keyboard does not plan a million iterations, nor none."""
    with pytest.raises(ValueError, match=r"0\.1/s for 1 s plans 0 iterations"):
        constant(0.1, 1)
    with pytest.raises(ValueError, match="between 1 and 1,000,000"):
        constant(MOST, 2)
    assert len(constant(MOST, 1)) == MOST
