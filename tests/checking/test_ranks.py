"""The bounds of a percentile are ranks by the binomial distribution, and miss the truth as seldom as they say."""

from math import inf, log
from random import Random

import pytest

from harness.checking.bootstrap import Interval
from harness.checking.ranks import fewest_samples, percentile_bounds


def test_the_bounds_of_a_median_are_those_of_the_tables() -> None:
    """Of 100 samples the 40th and the 61st (Conover, 1999, table A3: Binomial(100, 1/2))."""
    assert percentile_bounds(range(1, 101), 50) == Interval(50, 40, 61)
    assert percentile_bounds(list(range(1, 11)), 50) == Interval(5, 2, 9)


@pytest.mark.parametrize(("percent", "fewest"), [(50, 6), (90, 36), (95, 72), (99, 368), (99.9, 3_688)])
def test_of_too_few_samples_a_percentile_has_no_upper_bound(percent: float, fewest: int) -> None:
    """The greatest of n is below the percentile with a chance of (percent / 100) ** n."""
    assert fewest_samples(percent) == fewest
    assert percentile_bounds(range(fewest), percent).high == fewest - 1
    assert percentile_bounds(range(fewest - 1), percent).high == inf


def test_of_too_few_samples_a_percentile_has_no_lower_bound() -> None:
    """As at the other end."""
    assert percentile_bounds(range(368), 1).low == 0
    assert percentile_bounds(range(367), 1).low == -inf
    assert percentile_bounds([4.0], 99) == Interval(4.0, 4.0, inf)


@pytest.mark.parametrize("count", [100, 400])
def test_bounds_of_95_per_cent_miss_the_truth_one_time_in_forty_at_each_end(count: int) -> None:
    """Or less: ranks are whole. The p99 of an exponential distribution is ln 100; 400 times so many samples."""
    rng, truth = Random(count), log(100)
    found = [percentile_bounds([rng.expovariate(1) for _ in range(count)], 99) for _ in range(400)]
    assert sum(each.high < truth for each in found) <= 20
    assert sum(each.low > truth for each in found) <= 20


def test_more_samples_are_closer_bounds() -> None:
    """Which hold the percentile itself, however many there are."""
    widths = []
    for count in (1_000, 10_000, 100_000):
        found = percentile_bounds([each / count for each in range(count)], 99)
        assert found.low < 0.99 < found.high
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)


def test_what_nobody_answered_is_slower_than_anything() -> None:
    """Four of a thousand may be; the median does not care for fifty."""
    assert percentile_bounds([*range(996), *[inf] * 4], 99).high == inf
    assert percentile_bounds([*range(997), *[inf] * 3], 99).high == 996
    assert percentile_bounds([*range(950), *[inf] * 50], 50).high < 950


def test_what_has_no_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="no samples, no interval"):
        percentile_bounds([], 99)
    for percent in (0, -1, 100):
        with pytest.raises(ValueError, match=f"above 0 and below 100, not {percent}"):
            percentile_bounds([1.0], percent)
