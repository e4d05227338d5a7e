"""Figures read well, and never round a few to none or almost all to all."""

import pytest

from reports import figures


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "—"),
        (0, "0 ms"),
        (0.0000042, "4.2 µs"),
        (0.0831, "83.1 ms"),
        (0.9996, "1,000 ms"),
        (1.234, "1.23 s"),
        (119, "119 s"),
        (150, "2.5 min"),
        (-0.002, "-2 ms"),
    ],
)
def test_durations_have_the_unit_that_reads_best(seconds: float | None, told: str) -> None:
    """Three significant digits, in microseconds to minutes; none is a dash and no zero."""
    assert figures.duration(seconds) == told


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [
        (0, 10, "0 %"),
        (10, 10, "100 %"),
        (1, 3, "33.3 %"),
        (1, 100_000, "< 0.1 %"),
        (99_999, 100_000, "> 99.9 %"),
        (0, 0, "—"),
    ],
)
def test_shares_never_round_to_none_or_all(part: int, whole: int, told: str) -> None:
    """One in a hundred thousand is not 0 %."""
    assert figures.share(part, whole) == told


def test_counted_nouns_agree_with_their_number() -> None:
    """One is singular, all else plural, thousands grouped."""
    assert figures.things(1, "attempt") == "1 attempt"
    assert figures.things(0, "attempt") == "0 attempts"
    assert figures.things(2000, "retry", "retries") == "2,000 retries"


def test_moments_are_told_in_utc() -> None:
    """Whoever reads it elsewhere knows when it was."""
    assert figures.moment(86_400) == "2 January 1970, 00:00:00 UTC"
