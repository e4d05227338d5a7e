"""Every moment belongs to one part, by the order of the parts."""

from hypothesis import given
from hypothesis import strategies as st

from harness.partition import Span, partition
from harness.records.anatomy import Part

TIMES = st.integers(-3, 15)
SPANS = st.builds(Span, st.sampled_from(list(Part)), TIMES, TIMES)


@given(st.lists(SPANS, max_size=12), st.integers(0, 5), st.integers(5, 12))
def test_each_moment_belongs_to_the_first_part_that_goes_on_in_it(spans: list[Span], since: int, until: int) -> None:
    """Told moment by moment, by looking at every span."""
    expected: dict[Part, int] = {}
    for moment in range(since, until):
        going_on = {span.part for span in spans if span.since <= moment < span.until}
        spent_on = next((part for part in Part if part in going_on), Part.SERVER)
        expected[spent_on] = expected.get(spent_on, 0) + 1
    assert partition(spans, since, until) == expected


def test_a_part_in_which_nothing_happened_is_left_out() -> None:
    """There is no zero: neither of what is hidden throughout, nor of what has no length."""
    spans = [Span(Part.TIMERS, 2, 8), Span(Part.ACTIVITY_EXECUTION, 0, 10), Span(Part.RETRIES, 5, 5)]
    assert partition(spans, 0, 10) == {Part.ACTIVITY_EXECUTION: 10}


def test_what_is_spent_on_nothing_is_the_servers() -> None:
    """Before the first span, between two and after the last."""
    spans = [Span(Part.WORKER, 2, 4), Span(Part.WORKER, 5, 6)]
    assert partition(spans, 0, 10) == {Part.SERVER: 7, Part.WORKER: 3}


def test_no_time_has_no_parts() -> None:
    """A run that closed at the moment it began."""
    assert partition([Span(Part.WORKER, 0, 9)], 5, 5) == {}
