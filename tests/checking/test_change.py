"""Two runs beside each other: equal systems seldom differ, different ones do, and what cannot be told is not."""

from math import inf, sin
from random import Random
from statistics import fmean, quantiles

import pytest
from queues import arrivals, changes, mean, served, tells

from harness.checking.bootstrap import percentile_interval
from harness.checking.compare import Change, Unclear, change
from harness.checking.quantities import BLOCKS, Sums, in_blocks, in_order, percentiles

STEADY = 0.5
"""How busy a queue is that forgets quickly."""


def alarms(busy: float, number: int, tries: int, *, paired: bool = True, shuffled: bool = False) -> float:
    """The share of comparisons of equal queues in which any of four figures is said to differ."""
    told = 0
    for seed in range(tries):
        rng = Random(f"{busy} {number} {seed}")
        at = arrivals(busy, number, rng)
        base, other = served(at, rng), served(at if paired else arrivals(busy, number, rng), rng)
        if shuffled:
            base, other = (
                list(zip(at, rng.sample([t for _, t in each], number), strict=True)) for each in (base, other)
            )
        found = changes(base, other, paired=paired)
        unsteady = found[0].unclear is Unclear.TOO_SHORT
        told += any(map(tells, found)) and not unsteady
    return told / tries


def test_equal_queues_seldom_differ() -> None:
    """Of a hundred comparisons of a queue with one just like it; where it is 5 %, nine are as many as come about."""
    assert alarms(0.7, 400, 100) <= 0.09


def test_samples_taken_for_independent_ones_differ_most_of_the_time() -> None:
    """The same queues without the order of their answers: that is what ordinary tests see, and they are fooled."""
    assert alarms(0.7, 400, 40, shuffled=True) > 0.5


@pytest.mark.thorough
@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("busy", "number"), [(0.5, 300), (0.8, 300), (0.8, 2_000), (0.9, 300)])
def test_false_alarms_stay_below_one_in_twenty(busy: float, number: int, *, paired: bool) -> None:
    """However busy the queue is, and be the run too short by far: with 250 tries, 5 % is found as 7.8 % at most."""
    assert alarms(busy, number, 250, paired=paired) <= 0.05 + 2 * (0.05 * 0.95 / 250) ** 0.5


def test_a_tenth_more_service_time_is_found() -> None:
    """In 12,000 answers of a queue, eight times out of ten at least; and it is never told as faster."""
    found = []
    for seed in range(10):
        rng = Random(seed)
        at = arrivals(STEADY, 12_000, rng)
        found.append(changes(served(at, rng), served(at, rng, service=1.1)))
    assert sum(tells(each[0]) for each in found) >= 8
    assert not any(each.high is not None and each.high < 0 for four in found for each in four)


def test_the_interval_of_independent_samples_is_nearly_as_narrow_as_the_bootstrap_has_it() -> None:
    """For the median of 4,000 samples on either side: a third wider at most, for not knowing them independent."""
    shares = []
    for seed in range(8):
        rng = Random(seed)
        base, other = ([rng.expovariate(1) for _ in range(4_000)] for _ in range(2))
        found = change(*(percentiles(in_order(each), 50)[0] for each in (base, other)), paired=False)
        told = [percentile_interval(each, 50, rng, resamples=300) for each in (base, other)]
        if found.unclear is None:
            shares.append(width(found) / sum((each.high - each.low) ** 2 for each in told) ** 0.5)
    assert len(shares) >= 6
    assert 0.95 < fmean(shares) < 1.35


def test_an_interval_of_95_per_cent_misses_the_truth_one_time_in_twenty() -> None:
    """The medians of exponential distributions of which one is slower by a half lie 0.3466 apart."""
    missed = 0
    for seed in range(120):
        rng = Random(seed)
        base, other = [rng.expovariate(1) for _ in range(200)], [rng.expovariate(1) * 1.5 for _ in range(200)]
        found = change(percentiles(in_order(base), 50)[0], percentiles(in_order(other), 50)[0], paired=False)
        missed += not (found.low or -inf) <= 0.34657 <= (found.high or inf)
    assert 1 <= missed <= 12


def test_what_the_arrivals_bring_with_them_cancels_out() -> None:
    """A wave of load goes through both runs: side by side they tell a difference that each for itself hides."""
    rng = Random(5)
    base, other = (
        mean(in_order([level + 10 + 9 * sin(number / 60) + rng.gauss(0, 1) for number in range(2_000)]))
        for level in (0.0, 0.5)
    )
    assert 0 < (change(base, other, paired=True).low or 0) < 0.5
    assert not tells(change(base, other, paired=False))


def width(found: Change) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


def test_a_run_beside_itself_does_not_differ() -> None:
    """Not by the least: the interval of a mean is nothing but 0."""
    rng = Random(6)
    times = served(arrivals(STEADY, 2_000, rng), rng)
    found = changes(times, times)
    assert (found[0].low, found[0].high) == (0, 0)
    assert all(each.low is not None and each.high is not None and each.low <= 0 <= each.high for each in found[:3])


def test_samples_that_are_all_the_same_have_no_spread() -> None:
    """One value in either run: they differ by exactly that much."""
    fives, sixes = (percentiles(in_order([value] * 100), 50)[0] for value in (5.0, 6.0))
    assert change(fives, fives, paired=False) == Change(base=5, other=5, low=0, high=0)
    assert change(fives, sixes, paired=False) == Change(base=5, other=6, low=1, high=1)


def test_what_nobody_answered_is_slower_than_anything() -> None:
    """A percentile among them is no figure; one below them is, and knows of them."""
    waited = [1.0 + number / 1_000 for number in range(900)] + [inf] * 100
    Random(7).shuffle(waited)
    median, p95 = percentiles(in_order(waited), 50, 95)
    answered = percentiles(in_order([time - 1 if time < inf else 0.95 for time in waited]), 50, 95)
    assert change(answered[1], p95, paired=False).unclear is Unclear.UNANSWERED
    found = change(answered[0], median, paired=False)
    assert found.low is not None
    assert found.low == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize(("percent", "fewest"), [(50, 20), (95, 200), (99, 1_000), (5, 200)])
def test_a_percentile_takes_ten_samples_on_either_side(percent: float, fewest: int) -> None:
    """One less, and nothing is told."""
    few, enough = (
        percentiles(in_order([float(n) for n in range(count)]), percent)[0] for count in (fewest - 1, fewest)
    )
    assert enough.enough
    assert not few.enough
    assert change(enough, few, paired=False).unclear is Unclear.TOO_FEW


def test_a_mean_takes_a_sample_a_block() -> None:
    """Twenty in all; and without any there is no figure."""
    assert mean(in_order([1.0] * 20)).enough
    assert not mean(in_order([1.0] * 19)).enough
    nothing = mean(in_order([]))
    assert (nothing.value, nothing.enough) == (None, False)


def test_a_run_that_changes_more_slowly_than_its_blocks_is_too_short() -> None:
    """Half of it is slow, and half is fast: that may be chance, once."""
    halves = mean(in_order([1.0] * 100 + [1.4] * 100))
    level = mean(in_order([1.1, 1.3] * 100))
    assert change(level, halves, paired=True).unclear is Unclear.TOO_SHORT


def test_a_queue_that_only_grows_is_told_all_the_same() -> None:
    """Its blocks depend on each other as much as can be; but the other run was never anywhere near."""
    level = mean(in_order(([1.1] * 10 + [1.3] * 10) * 10))
    growing = mean(in_order([1.0 + number / 10 for number in range(200)]))
    median_of_growing = 1.0 + 99.5 / 10
    found = change(level, growing, paired=True)
    assert found.unclear is None
    assert found.low is not None
    assert 5 < found.low <= (found.difference or 0)
    assert found.high is None
    assert found.low == pytest.approx(median_of_growing - 1.3 - 2 * 0.2)
    back = change(growing, level, paired=True)
    assert back.low is None
    assert back.high == pytest.approx(-found.low)
    medians = (
        percentiles(in_order(each), 50)[0] for each in ([1.1, 1.2, 1.3, 1.2] * 50, [1 + n / 10 for n in range(200)])
    )
    assert 5 < (change(*medians, paired=True).low or 0) < 11


def test_neighbouring_blocks_that_are_alike_make_the_interval_wider() -> None:
    """The same twenty differences, in an order in which neighbours are alike, and in one in which they are not."""
    level = Sums(parts=(0.0,) * BLOCKS, wholes=(1.0,) * BLOCKS, samples=100)

    def beside(*parts: float) -> float:
        return width(change(level, Sums(parts=parts * 2, wholes=(1.0,) * BLOCKS, samples=100), paired=True))

    assert beside(1, 1, 2, 3, 2, 3, 2, 2, 2, 2) > 1.2 * beside(1, 2, 1, 2, 3, 2, 3, 2, 2, 2)


def test_an_end_is_sought_however_far_off_it_is() -> None:
    """Of forty samples between 0 and 1 the medians differ by anything up to a third, say; both ends are told."""
    rng = Random(11)
    base, other = (percentiles(in_order([rng.random() for _ in range(40)]), 50)[0] for _ in range(2))
    found = change(base, other, paired=False)
    assert 0.3 < width(found) < 0.9


def test_where_there_is_no_end_it_is_too_few() -> None:
    """All that lies above p95 came within one block of either run: nothing says how far apart they are."""
    clustered = [1.0 + number / 1_000 for number in range(190)] + [5.0 + number for number in range(10)]
    base, other = (percentiles(in_order(each), 95)[0] for each in (clustered, [time + 1 for time in clustered]))
    assert change(base, other, paired=True).unclear is Unclear.TOO_FEW


def test_twenty_blocks_hold_every_sample_each_in_order() -> None:
    """By time; what lies outside belongs to the first or the last."""
    blocks = in_blocks([(-1.0, 9.0), (0.0, 8.0), (99.9, 7.0), (100.0, 6.0), (500.0, 5.0)], 100.0)
    assert blocks[0] == [8.0, 9.0]
    assert blocks[-1] == [5.0, 6.0, 7.0]
    assert len(blocks) == BLOCKS
    assert sum(map(len, blocks)) == 5


def test_a_mean_beside_a_percentile_is_refused() -> None:
    """They are not the same figure."""
    samples = in_order([float(number) for number in range(100)])
    with pytest.raises(TypeError, match="a Sums cannot be compared with a Percentile"):
        change(mean(samples), percentiles(samples, 50)[0], paired=True)


def test_the_pooled_percentile_is_that_of_both_together() -> None:
    """Without any difference, half of all samples exceed the median: as `quantiles` of both together has it."""
    rng = Random(8)
    base, other = ([rng.gauss(0, 1) for _ in range(500)] for _ in range(2))
    found = change(percentiles(in_order(base), 50)[0], percentiles(in_order(other), 50)[0], paired=False)
    middle = quantiles(base, n=2)[0] - quantiles(other, n=2)[0]
    assert found.difference == pytest.approx(-middle, abs=0.02)
