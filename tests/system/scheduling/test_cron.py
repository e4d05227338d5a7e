"""Cron expressions: what Temporal takes for what it looks like is taken, and all else is refused."""

from contextlib import suppress

import pytest
from cron_expressions import BAD, GOOD, MISLEADING
from hypothesis import given
from hypothesis import strategies as st

from system.scheduling import cron


@pytest.mark.parametrize("expression", GOOD)
def test_what_is_right_is_taken(expression: str) -> None:
    """Lists, ranges, steps, names, shortcuts, years and seconds."""
    cron.check(expression)


@pytest.mark.parametrize(("expression", "says"), [*BAD.items(), *MISLEADING.items()])
def test_what_is_wrong_is_named(expression: str, says: str) -> None:
    """The message has the part that is wrong, and what was expected."""
    with pytest.raises(ValueError, match=says):
        cron.check(expression)


@given(st.integers(0, 59), st.integers(0, 59), st.integers(1, 60))
def test_a_range_is_its_ends_and_steps(one: int, other: int, step: int) -> None:
    """a-b/s stands for a, a+s and so on, up to b."""
    low, high = sorted((one, other))
    assert cron.MINUTE.values(f"{low}-{high}/{step}") == set(range(low, high + 1, step))
    assert cron.MINUTE.values(f"{low},{high}") == {low, high}


@given(st.text("0123456789*/-, #@?LTmonsujanfeb", max_size=20))
def test_whatever_is_written_is_taken_or_refused_with_a_reason(text: str) -> None:
    """Nothing but ValueError comes out."""
    with suppress(ValueError):
        cron.check(text)


@pytest.mark.parametrize(
    ("field", "text", "ranges"),
    [
        (cron.MINUTE, "*", ((0, 59, 1),)),
        (cron.MINUTE, "*/15", ((0, 59, 15),)),
        (cron.MINUTE, "5/15", ((5, 59, 15),)),
        (cron.MINUTE, "7,10-20/5", ((7, 7, 1), (10, 20, 5))),
        (cron.HOUR, "3-3", ((3, 3, 1),)),
        (cron.MONTH, "January,FEB", ((1, 1, 1), (2, 2, 1))),
        (cron.DAY_OF_WEEK, "mon-fri", ((1, 5, 1),)),
        (cron.DAY_OF_WEEK, "7", ((0, 0, 1),)),
        (cron.DAY_OF_WEEK, "6", ((6, 6, 1),)),
    ],
)
def test_a_field_is_read_as_ranges_with_steps(
    field: cron.Field, text: str, ranges: tuple[tuple[int, int, int], ...]
) -> None:
    """Both ends included; one number after a step goes on to the field's end."""
    assert field.ranges(text) == ranges


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("@every 5m", "'@every 5m': expected the key `every` of the schedule instead"),
        ("TZ=UTC 0 3 * * *", "'TZ=UTC 0 3 * * *': expected the key `time_zone` of the schedule instead"),
        ("0 0 * * 1#2", "'0 0 * * 1#2': expected no '#', which would make a comment of the rest"),
        (" 0 0 * ", "'0 0 *' has 3 fields: expected 5, 6 with a year, 7 with seconds, or @daily"),
        ("0 22-2 * * *", "hour '22-2' ends before it begins: expected, for example, two ranges"),
        ("0 0 * * 1-7", "day of week '1-7': expected 0 or sun for Sunday"),
        ("0 0 * * tomorrow", "day of week 'tomorrow': expected 0 to 6, or a name such as mon"),
        ("0 00024 * * *", "hour '00024': expected 0 to 23"),
        ("0 */0 * * *", "hour '*/0': expected a step of 1 or more after the slash"),
        ("0 0 31 feb,apr *", "it never comes: none of its months has such a day"),
        ("0 0 30,31 2 *", "it never comes: none of its months has such a day"),
    ],
)
def test_a_refusal_says_what_was_expected(expression: str, says: str) -> None:
    """With the part that is wrong as it was written."""
    with pytest.raises(ValueError, match=r"expected|never") as refused:
        cron.check(expression)
    assert str(refused.value) == says


@pytest.mark.parametrize(
    ("days", "months", "comes"), [([29], [2], True), ([30], [2], False), ([31], [2, 3], True), ([1, 31], [2], True)]
)
def test_a_day_comes_if_one_of_the_months_has_it(days: list[int], months: list[int], comes: bool) -> None:
    """The 29th of February among them, though not every year."""
    if comes:
        cron.check_days(days, months)
    else:
        with pytest.raises(ValueError, match="it never comes"):
            cron.check_days(days, months)
