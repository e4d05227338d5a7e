"""The trend test: figures worked out by hand, and how often it errs."""

from math import erfc, sqrt
from random import Random

import pytest

from harness.checking.trend import Trend, trend


def test_a_series_that_always_rises() -> None:
    """Ten values: all 45 pairs rise; the variance is 10 * 9 * 25 / 18 = 125, so z = 44 / 11.18 = 3.935."""
    found = trend(range(10), [3, 4, 6, 7, 9, 12, 13, 14, 15, 18])
    assert found.rises == 45
    assert found.p == pytest.approx(erfc(3.93548 / sqrt(2)), rel=1e-4)
    assert found.p == pytest.approx(8.3e-5, rel=0.01)


def test_a_series_that_always_falls_is_as_sure() -> None:
    """The test looks both ways."""
    rising, falling = trend(range(12), range(12)), trend(range(12), range(12, 0, -1))
    assert falling == Trend(rises=-66, p=rising.p, slope=-1)
    assert rising.slope == 1


def test_ties_count_for_neither_and_narrow_the_variance() -> None:
    """Two fives and three sevens: 45 - 1 - 3 = 41 pairs rise; (10*9*25 - 2*1*9 - 3*2*11) / 18 = 120.33; z = 3.646."""
    found = trend(range(10), [1, 2, 5, 5, 6, 7, 7, 7, 8, 9])
    assert found.rises == 41
    assert found.p == pytest.approx(erfc(40 / sqrt(2166 / 18) / sqrt(2)))
    assert found.p == pytest.approx(2.66e-4, rel=0.01)


def test_the_slope_is_the_median_of_all_slopes() -> None:
    """By the times, not by the order; one value far off does not move it."""
    times = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    values = [0.5 * time + 7 for time in times]
    assert trend(times, values).slope == 0.5
    values[4] = 10_000
    assert trend(times, values).slope == pytest.approx(0.5)


def test_values_that_are_all_the_same_have_no_trend() -> None:
    """Nothing rises: chance explains that entirely."""
    assert trend(range(20), [4.0] * 20) == Trend(rises=0, p=1, slope=0)


def test_one_rise_more_than_falls_says_nothing() -> None:
    """The correction for continuity brings it to none."""
    assert trend(range(10), [2, 1, *[2] * 8]).rises == 7
    assert trend(range(11), [5, 5, 5, 5, 5, 6, 5, 5, 5, 5, 5]).p == 1


def test_without_a_trend_one_per_cent_is_said_to_have_one() -> None:
    """A thousand series of independent noise: about ten below 0.01, and none is biased up or down."""
    found = [trend(range(30), [rng.gauss(0, 1) for _ in range(30)]) for rng in map(Random, range(1_000))]
    assert 2 <= sum(each.p < 0.01 for each in found) <= 22
    assert 400 <= sum(each.rises > 0 for each in found) <= 600


def test_a_drift_in_noise_is_seen() -> None:
    """A rise of three standard deviations over the series is never missed."""
    for seed in range(50):
        rng = Random(seed)
        found = trend(range(60), [rng.gauss(number / 20, 1) for number in range(60)])
        assert found.p < 0.01
        assert found.slope == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize("count", [0, 9, 501])
def test_too_few_or_too_many_values_are_refused(count: int) -> None:
    """Of few the test cannot tell, and of many it would take for ever."""
    with pytest.raises(ValueError, match=f"from 10 to 500 values, not {count}"):
        trend(range(count), range(count))


def test_times_and_values_belong_together() -> None:
    """As many of one as of the other."""
    with pytest.raises(ValueError, match=r"shorter|longer"):
        trend(range(11), range(10))
