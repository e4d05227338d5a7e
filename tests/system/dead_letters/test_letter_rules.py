"""The rules of dead letters, by themselves: what is one fault, what may be run again."""

import string
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from system.dead_letters.rules import (
    fingerprint,
    item_of,
    normalised,
    redrive_id,
    refusal,
    will_run_again,
)
from system.records import Record

WORDS = st.lists(st.text(string.ascii_letters, min_size=1, max_size=8), min_size=1, max_size=6)
QUOTABLE = st.text(string.ascii_letters + string.digits + " _-.:/", max_size=12)
NAMED = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=12)
VALUES = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map("{:.3f}".format),
    st.uuids().map(str),
    st.binary(min_size=4, max_size=20).map(bytes.hex).filter(lambda text: any(char.isdigit() for char in text)),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.ip_addresses().map(str),
    QUOTABLE.map("'{}'".format),
    QUOTABLE.map('"{}"'.format),
    st.lists(NAMED, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts)),
    st.lists(NAMED, min_size=2, max_size=4).map("/".join),
    NAMED.map("https://example.org/{}".format),
    st.builds("{}-{}".format, st.text(string.ascii_lowercase, min_size=1, max_size=6), st.integers(min_value=0)),
)


@given(words=WORDS, first=st.lists(VALUES, min_size=6, max_size=6), second=st.lists(VALUES, min_size=6, max_size=6))
def test_the_same_fault_with_other_values_has_the_same_fingerprint(
    words: list[str], first: list[str], second: list[str]
) -> None:
    """Numbers, ids, hashes, times, addresses, paths and quoted values do not count."""

    def message(values: list[str]) -> str:
        return " ".join(f"{word} {value}" for word, value in zip(words, values, strict=False))

    assert fingerprint("E", "a.b", message(first)) == fingerprint("E", "a.b", message(second))


@given(one=WORDS, other=WORDS, values=st.lists(VALUES, min_size=6, max_size=6))
def test_other_words_are_another_fault(one: list[str], other: list[str], values: list[str]) -> None:
    """As long as the words differ, so do the fingerprints, whatever values stand between them."""
    assume(one != other)

    def message(words: list[str]) -> str:
        return ", ".join(f"{word} {value}" for word, value in zip(words, values, strict=False))

    assert fingerprint("E", "a.b", message(one)) != fingerprint("E", "a.b", message(other))


@given(words=WORDS, types=st.tuples(NAMED, NAMED), places=st.tuples(NAMED, NAMED))
def test_another_type_or_place_is_another_fault(
    words: list[str], types: tuple[str, str], places: tuple[str, str]
) -> None:
    """The same words of another error, or of another activity, are another group."""
    message = " ".join(words)
    same = fingerprint(types[0], places[0], message)
    assert (fingerprint(types[1], places[0], message) == same) is (types[0] == types[1])
    assert (fingerprint(types[0], places[1], message) == same) is (places[0] == places[1])


def test_fingerprints_are_the_same_in_every_version() -> None:
    """Letters are grouped by them in the database; half a character is no obstacle."""
    known = "4bb074cdbf916356"  # pragma: allowlist secret - a hash
    assert fingerprint("Declined", "orders.charge", "card 4 of 'ann' was declined") == known
    assert fingerprint("Declined", "orders.charge", "\ud800") == fingerprint("Declined", "orders.charge", "?")


@given(words=WORDS, values=st.lists(VALUES, min_size=6, max_size=6))
def test_what_is_normalised_stays_as_it_is(words: list[str], values: list[str]) -> None:
    """Normalising twice is normalising once."""
    once = normalised(" ".join(f"{word} {value}" for word, value in zip(words, values, strict=False)))
    assert normalised(once) == once


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("/srv/in/a.csv is gone: look at WORK_DIRECTORY", "# is gone: look at WORK_DIRECTORY"),
        ("[Errno 111] Connect call failed ('127.0.0.1', 5432)", "[Errno #] Connect call failed (#)"),
        ("we can't ship, won't try", "we can't ship, won't try"),
        ("chunks 3, 4 and 17 disagree", "chunks # disagree"),
        ("chunks 3 disagree", "chunks # disagree"),
        ("calls to payment are held back for another 3.5 s", "calls to payment are held back for another # s"),
        ("  two\n lines ", "two lines"),
        ("", ""),
    ],
)
def test_a_message_is_read_as_a_person_would(message: str, expected: str) -> None:
    """The words stay, and apostrophes are no quotes."""
    assert normalised(message) == expected


@given(root=st.text(string.ascii_lowercase + "-.0123456789", min_size=1), numbers=st.lists(st.integers(1, 99)))
def test_a_redrive_of_a_redrive_keeps_the_first_id(root: str, numbers: list[int]) -> None:
    """However often it is redriven, the id has one suffix: the letter's number."""
    assume(".redrive." not in root)
    workflow_id = root
    for number in numbers:
        workflow_id = redrive_id(workflow_id, number)
        assert workflow_id == f"{root}.redrive.{number}"


class _Item(Record):
    item: Any


@pytest.mark.parametrize(("given_", "expected"), [("a", "a"), (7, "7"), (None, ""), (["x"], ""), ("a\0b", "a␀b")])
def test_an_item_is_named_by_the_argument(given_: Any, expected: str) -> None:
    """A text or a number; anything else is no name."""
    assert item_of([_Item(item=given_)]) == expected
    assert item_of([]) == item_of([object()]) == ""
    assert len(item_of([_Item(item="x" * 600)])) == 500


@pytest.mark.parametrize(
    ("attempt", "maximum", "final", "again"),
    [(1, 0, False, True), (1, 3, False, True), (3, 3, False, False), (1, 3, True, False), (9, 0, False, True)],
)
def test_a_workflow_with_attempts_left_is_run_again(attempt: int, maximum: int, final: bool, again: bool) -> None:
    """Unless the error is final, or of a type the policy does not retry."""
    assert will_run_again(attempt, maximum, "E", ["F"], final=final) is again
    assert not will_run_again(attempt, maximum, "F", ["F"], final=final)


@pytest.mark.parametrize(
    ("status", "newest", "says"),
    [
        ("FAILED", True, ""),
        ("TERMINATED", True, ""),
        ("TIMED_OUT", True, ""),
        ("CANCELED", True, ""),
        (
            "FAILED",
            False,
            "it was run again under its own id: look at that run, and discard this letter if it did the work",
        ),
        ("RUNNING", True, "it is still running: wait until it has closed, or cancel it first"),
        (
            "COMPLETED",
            True,
            (
                "it went on without this step and completed, so to run it again would do the rest twice: "
                "start what is missing by itself, then discard this letter"
            ),
        ),
        ("CONTINUED_AS_NEW", True, "it went on in a new run: look at that run"),
    ],
)
def test_only_what_is_closed_and_not_done_runs_again(status: str, newest: bool, says: str) -> None:
    """What is refused is told why, and what to do."""
    assert refusal(status, is_newest_run=newest) == says
