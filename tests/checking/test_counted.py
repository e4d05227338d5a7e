"""Counters grow, begin anew with their process, and are shares of each other; buckets bound a quantile, and no more."""

import math

import pytest
from handwritten_samples import BEGIN, counted, flat, scraped

from harness.checking.counted import Bounds, Samples, quantile_bounds


def test_a_counter_grows_by_what_was_added_since_the_first_look() -> None:
    """What it held before the first look is not of this run."""
    assert Samples(counted("worker-1", "hits", 100, 110, 125)).grown("hits") == 25


def test_a_counter_that_fell_began_anew_with_its_process() -> None:
    """A worker was killed and came back: what the new one counted is added to what the old one had."""
    assert Samples(counted("worker-1", "hits", 100, 110, 4, 9)).grown("hits") == 10 + 4 + 5


def test_a_counter_grows_by_the_sum_of_its_sources() -> None:
    """Each source is a series of its own, in the order of time, however they were written."""
    samples = flat(counted("worker-2", "hits", 50, 51, 53), counted("worker-1", "hits", 0, 10))
    assert Samples(reversed(samples)).grown("hits") == 13


def test_a_counter_that_came_later_was_zero_at_the_look_before() -> None:
    """A client leaves out what it never counted, so the first miss shows as a series that was not there."""
    looks = scraped("worker-1", {"hits": 1}, {"hits": 2}, {"hits": 3, "misses": 2}, {"hits": 3, "misses": 3})
    assert Samples(looks).grown("misses") == 3


def test_a_counter_that_was_never_looked_at_before_counts_from_its_first_look() -> None:
    """A look that was not answered says nothing of what was counted by then."""
    looks = scraped("worker-1", None, {"misses": 7}, {"misses": 9})
    assert Samples(looks).grown("misses") == 2


def test_a_counter_that_nobody_has_is_none_and_no_zero() -> None:
    """What was not measured is not zero."""
    assert Samples(counted("worker-1", "hits", 1, 2)).grown("misses") is None


def test_shares_are_of_what_was_added_between_looks() -> None:
    """Of ten, nine; then of none, nothing; then of four, all."""
    looks = ((5, 5), (15, 14), (15, 14), (19, 18))
    samples = scraped("temporal", *({"whole": whole, "part": part} for whole, part in looks))
    assert Samples(samples).shares("temporal", "part", "whole") == [(BEGIN + 1, 0.9), (BEGIN + 3, 1.0)]


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        ([(0.1, 50), (0.2, 99), (0.5, 100), (math.inf, 100)], Bounds(above=0.1, at_most=0.2, count=100)),
        ([(0.1, 50), (0.2, 98), (0.5, 100), (math.inf, 100)], Bounds(above=0.2, at_most=0.5, count=100)),
        ([(0.1, 100), (math.inf, 100)], Bounds(above=0.0, at_most=0.1, count=100)),
        ([(0.1, 0), (math.inf, 10)], Bounds(above=0.1, at_most=math.inf, count=10)),
        ([(math.inf, 10), (0.1, 10)], Bounds(above=0.0, at_most=0.1, count=10)),
        ([(0.1, 0), (math.inf, 0)], None),
        ([], None),
    ],
)
def test_buckets_bound_a_quantile(buckets: list[tuple[float, float]], expected: Bounds | None) -> None:
    """The 99th percentile lies in the first bucket that holds 99 of 100, and nothing is said of where."""
    assert quantile_bounds(buckets, 0.99) == expected
