"""What the platform adds to the slowest workflows is told apart from what makes any workflow slow."""

from random import Random

from benchmarks.overhead import added_to_p99, median_added


def test_two_workers_that_are_alike_add_nothing_to_each_other() -> None:
    """Each has its slow ones, at other times than the other: beside its pair, each such one is far behind."""
    rng = Random(1)
    took = [20.0] * 97 + [80.0] * 3
    pairs = list(zip(rng.sample(took, 100), rng.sample(took, 100), strict=True))
    assert sorted(own - bare for own, bare in pairs)[-2] == 60.0
    assert (median_added(pairs), added_to_p99(pairs)) == (0.0, 0.0)


def test_what_the_platform_adds_is_found() -> None:
    """Be it to each of them, or to the slowest alone."""
    bare = [20.0] * 97 + [80.0] * 3
    each = [(took + 1.5, took) for took in bare]
    slowest = [(took + 9.0 if took > 50 else took, took) for took in bare]
    assert (median_added(each), added_to_p99(each)) == (1.5, 1.5)
    assert (median_added(slowest), added_to_p99(slowest)) == (0.0, 9.0)
