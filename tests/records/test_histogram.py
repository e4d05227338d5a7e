"""A histogram answers what the raw samples would, within a thousandth, however it was put together."""

from random import Random

import pytest

from harness.records.histogram import LONGEST, SECONDS, Histogram

PERCENTS = [0.1, 1, 25, 50, 90, 99, 99.9, 100]


def drawn(seed: int, count: int) -> list[float]:
    """Times from a tenth of a millisecond to some seconds, as those of calls are spread."""
    rng = Random(seed)
    return [rng.lognormvariate(-4, 1.5) + 0.0001 for _ in range(count)]


def nearest_rank(samples: list[float], percent: float) -> float:
    """The percentile of raw samples; exact for the counts used here."""
    return sorted(samples)[-(-len(samples) * round(percent * 10) // 1000) - 1]


@pytest.mark.parametrize("count", [1, 2, 137, 5_000])
def test_percentiles_are_within_a_thousandth_of_those_of_the_raw_samples(count: int) -> None:
    """Never below by more than the microsecond it rounds to, and above by at most 0.1 %."""
    samples = drawn(7, count)
    histogram = Histogram(samples)
    assert len(histogram) == count
    for percent in PERCENTS:
        found = histogram.percentile(percent)
        assert found is not None
        raw = nearest_rank(samples, percent)
        assert raw - 1e-6 <= found <= raw * 1.001 + 1e-6, percent


def test_merged_histograms_answer_as_one() -> None:
    """Three processes' histograms, sent as text and merged, are the histogram of all their samples."""
    parts = [drawn(seed, 700) for seed in (1, 2, 3)]
    merged = Histogram()
    for part in parts:
        merged.merge(Histogram.decode(Histogram(part).encode()))
    one = Histogram(sample for part in parts for sample in part)
    assert len(merged) == 2_100
    assert [merged.percentile(each) for each in PERCENTS] == [one.percentile(each) for each in PERCENTS]


def test_a_merged_histogram_goes_on_counting() -> None:
    """What is recorded after a merge counts beside what was merged."""
    histogram = Histogram.decode(Histogram([1.0]).encode())
    histogram.record(3.0)
    assert histogram.percentile(50) == pytest.approx(1.0, rel=0.001)
    assert histogram.percentile(100) == pytest.approx(3.0, rel=0.001)


def test_calls_nobody_answered_are_slower_than_any_that_was() -> None:
    """A percentile whose rank falls among the missing is not known, and neither is any of nothing."""
    histogram = Histogram([0.1] * 98)
    assert histogram.percentile(98, missing=2) == pytest.approx(0.1, rel=0.001)
    assert histogram.percentile(99, missing=2) is None
    assert Histogram().percentile(50) is None
    assert Histogram.decode(Histogram().encode()).percentile(50) is None


def test_nothing_is_lost_beyond_the_ends() -> None:
    """A time below zero counts as none, one above an hour as an hour."""
    histogram = Histogram([-0.5, 1e6])
    assert len(histogram) == 2
    assert histogram.percentile(50) == 0
    assert histogram.percentile(100) == LONGEST / SECONDS


@pytest.mark.parametrize("percent", [0, -1, 100.1])
def test_what_is_no_percentile_is_refused(percent: float) -> None:
    """A percentile is above 0 and at most 100."""
    with pytest.raises(ValueError, match="above 0 and at most 100"):
        Histogram([1.0]).percentile(percent)
