"""Intervals by bootstrap: as wide as theory says, from the seed, and the same whichever way they are come by."""

from math import inf, sqrt
from random import Random
from statistics import fmean, median

import pytest

from harness.checking.bootstrap import Interval, interval, percentile_interval


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    """Of 400 normal samples: 1.96 standard errors to either side."""
    rng = Random(1)
    samples = [rng.gauss(10, 2) for _ in range(400)]
    found = interval(samples, fmean, Random(2))
    assert found.value == fmean(samples)
    assert found.high - found.value == pytest.approx(1.96 * 2 / sqrt(400), rel=0.15)
    assert found.value - found.low == pytest.approx(1.96 * 2 / sqrt(400), rel=0.15)


def test_the_interval_of_a_median_holds_the_ranks_that_the_binomial_distribution_says() -> None:
    """Of 1 to 100: ranks 40 to 61, which leave out 1.8 % of Binomial(100, 1/2) on either side, are about its limits."""
    found = percentile_interval(range(1, 101), 50, Random(3), resamples=20_000)
    assert found.value == 50
    assert found.low == pytest.approx(40, abs=1)
    assert found.high == pytest.approx(60, abs=1)


def test_both_ways_to_the_interval_of_a_percentile_agree() -> None:
    """Drawing all samples again and drawing just the one that counts are the same bootstrap."""
    rng = Random(4)
    samples = [rng.expovariate(1) for _ in range(201)]
    long = interval(samples, median, Random(5), resamples=4_000)
    short = percentile_interval(samples, 50, Random(6), resamples=4_000)
    assert long.value == short.value
    assert short.low == pytest.approx(long.low, abs=0.03)
    assert short.high == pytest.approx(long.high, abs=0.03)


def test_an_interval_of_95_per_cent_misses_the_truth_one_time_in_twenty() -> None:
    """The p90 of an exponential distribution is ln 10: 200 intervals of 300 samples each miss it about 10 times."""
    missed = 0
    for seed in range(200):
        rng = Random(seed)
        found = percentile_interval([rng.expovariate(1) for _ in range(300)], 90, rng)
        missed += not found.low <= 2.302585 <= found.high
    assert 3 <= missed <= 22


def test_of_two_samples_the_median_is_the_greater_in_a_quarter_of_the_draws() -> None:
    """The lower of two is what nearest rank takes: it is the greater sample only where both draws are."""
    assert percentile_interval([0.0, 1.0], 50, Random(1), confidence=0.6, resamples=10_000).high == 1
    assert percentile_interval([0.0, 1.0], 50, Random(1), confidence=0.4, resamples=10_000).high == 0


def test_more_confidence_is_a_wider_interval() -> None:
    """The middle 50 % lie within the middle 99 %."""
    half = percentile_interval(range(1_000), 90, Random(7), confidence=0.5)
    nearly_all = percentile_interval(range(1_000), 90, Random(7), confidence=0.99)
    assert nearly_all.low < half.low < 899 < half.high < nearly_all.high


def test_the_same_seed_gives_the_same_interval() -> None:
    """It is a pure function of samples and seed, whatever order the samples come in."""
    samples = [float(number * 37 % 101) for number in range(101)]
    assert percentile_interval(samples, 99, Random(8)) == percentile_interval(sorted(samples), 99, Random(8))
    assert interval(samples, fmean, Random(8)) == interval(samples, fmean, Random(8))
    assert interval(samples, fmean, Random(8)) != interval(samples, fmean, Random(9))


def test_what_nobody_answered_is_slower_than_anything() -> None:
    """Two of a hundred are infinite: the median does not care, and p99 is among them."""
    samples = [*range(98), inf, inf]
    assert percentile_interval(samples, 99, Random(1)).value == inf
    assert percentile_interval(samples, 99, Random(1)).low < inf
    assert percentile_interval(samples, 50, Random(1)).high < inf


def test_one_sample_is_its_own_interval() -> None:
    """It is all that is known."""
    assert percentile_interval([4.0], 99, Random(1)) == Interval(4.0, 4.0, 4.0)
    assert percentile_interval([4.0], 100, Random(1)) == interval([4.0], fmean, Random(1))


def test_ranks_are_counted_in_fractions() -> None:
    """7 % of 100 is the seventh, though 0.07 * 100 is more than 7 in floating point."""
    assert percentile_interval(range(1, 101), 7, Random(1)).value == 7
    assert percentile_interval(range(1, 101), 100, Random(1)).high == 100


def test_nothing_to_draw_from_is_refused() -> None:
    """No samples, or a percentile that cannot be."""
    with pytest.raises(ValueError, match="no samples, no interval"):
        interval([], fmean, Random(1))
    with pytest.raises(ValueError, match="no samples, no interval"):
        percentile_interval([], 50, Random(1))
    for percent in (0, -1, 100.1):
        with pytest.raises(ValueError, match=f"above 0 and at most 100, not {percent}"):
            percentile_interval([1.0], percent, Random(1))
