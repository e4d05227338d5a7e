"""Percentiles are exact: those of a brute-force count, never between two samples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checking.percentiles import median, percentile

SAMPLES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)
PERCENTS = st.integers(1, 10_000).map(lambda hundredths: hundredths / 100)


@given(SAMPLES, PERCENTS)
def test_it_is_the_smallest_sample_that_enough_samples_do_not_exceed(samples: list[float], percent: float) -> None:
    """It equals the definition, counted in whole numbers: the least x with #(samples <= x) * 100 >= percent * n."""
    hundredths = round(percent * 100)
    enough = [x for x in samples if sum(y <= x for y in samples) * 10_000 >= hundredths * len(samples)]
    assert percentile(samples, percent) == min(enough)


@given(SAMPLES, PERCENTS, st.integers(1, 60))
def test_missing_samples_count_as_greater_than_any(samples: list[float], percent: float, missing: int) -> None:
    """With missing samples it is what it would be with so many infinite ones, and None instead of infinity."""
    expected = percentile([*samples, *[float("inf")] * missing], percent)
    assert percentile(samples, percent, missing=missing) == (None if expected == float("inf") else expected)


@pytest.mark.parametrize(
    ("count", "percent", "rank"),
    [(100, 99, 99), (100, 99.9, 100), (1000, 99.9, 999), (100, 7, 7), (3, 50, 2), (4, 50, 2), (1, 0.01, 1)],
)
def test_the_rank_is_exact(count: int, percent: float, rank: int) -> None:
    """The rank is rounded up from an exact fraction, where floating point would miss it."""
    assert percentile(range(1, count + 1), percent) == rank


def test_of_nothing_nothing_is_known() -> None:
    """Without samples there is no percentile, and no zero instead of one."""
    assert percentile([], 50) is None
    assert median([]) is None


@pytest.mark.parametrize("percent", [0, -1, 100.1])
def test_only_percents_are_percentiles(percent: float) -> None:
    """A percentile outside (0, 100] is refused, with what was given."""
    with pytest.raises(ValueError, match=str(percent)):
        percentile([1.0], percent)
