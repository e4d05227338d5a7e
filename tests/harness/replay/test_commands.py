"""Comparing commands, by hand."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.replay.commands import ABSENT, Change, Command, changed, differences, first_other, numbered

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def timer(key: str, seconds: float, event: int = 0) -> Command:
    return Command(kind="timer", key=key, fields={"duration": seconds}, event=event)


def test_the_same_commands_do_not_differ() -> None:
    """Matched by kind and key, whatever their order."""
    then = [timer("1", 5, event=5), timer("2", 7, event=9)]
    assert differences(then, [timer("2", 7), timer("1", 5)]) == []


def test_another_value_is_told_with_its_place() -> None:
    (found,) = differences([timer("1", 5, event=5)], [timer("1", 6)])
    assert found.command.event == 5
    assert found.changes == [Change(path="duration", then=5, now=6)]


def test_what_is_commanded_no_more_is_told() -> None:
    (found,) = differences([timer("1", 5, event=5)], [])
    assert found.changes == [Change(path="", then="timer (1)", now=ABSENT)]


def test_what_was_never_sent_is_no_difference() -> None:
    """It was cancelled in the task that made it, or comes after the end of the history."""
    assert differences([], [timer("1", 5)]) == []


def activity(name: str, key: str, event: int = 0, *, withdrawn: bool = False) -> Command:
    return Command(kind="activity", name=name, key=key, fields={}, event=event, withdrawn=withdrawn)


CHARGE, SHIP = activity("charge", "1", 5), activity("ship", "2", 11)
ANSWER = Command(kind="update result", key="u", fields={})


@pytest.mark.parametrize(
    ("now", "event", "change"),
    [
        ([timer("1", 1), CHARGE, SHIP], 5, ("activity charge (1)", "timer (1)")),
        ([CHARGE, timer("1", 1), SHIP], 11, ("activity ship (2)", "timer (1)")),
        ([CHARGE, SHIP, timer("1", 1)], 0, (ABSENT, "timer (1)")),
        ([CHARGE, activity("ship", "3")], 11, ("activity ship (2)", "activity ship (3)")),
        ([CHARGE, activity("sell", "2")], 11, ("activity ship (2)", "activity sell (2)")),
        ([activity("ship", "1"), activity("charge", "2")], 5, ("activity charge (1)", "activity ship (1)")),
        ([CHARGE], 11, ("activity ship (2)", ABSENT)),
        ([], 5, ("activity charge (1)", ABSENT)),
    ],
)
def test_the_first_other_command_is_told_beside_what_stood_there(
    now: list[Command], event: int, change: tuple[Any, Any]
) -> None:
    """Added, dropped, exchanged or in another order; the last where nothing stood is of no event."""
    found = first_other([CHARGE, SHIP], now)
    assert found is not None
    assert found.command.event == event
    assert found.changes == [Change(path="", then=change[0], now=change[1])]


@pytest.mark.parametrize(
    "now",
    [
        [CHARGE, SHIP],
        [activity("charge", "1"), replace(SHIP, fields={"amount": 1})],
        [CHARGE, replace(timer("1", 1), withdrawn=True), SHIP],
        [CHARGE, replace(SHIP, withdrawn=True)],
        [ANSWER, CHARGE, SHIP],
    ],
)
def test_the_same_commands_in_the_same_order_are_no_others(now: list[Command]) -> None:
    """Whatever they say, whatever was taken back before it was sent; updates are answered in an order of their own."""
    assert first_other([CHARGE, SHIP], now) is None
    assert first_other([CHARGE, SHIP, ANSWER], now) is None


def test_those_without_a_key_are_numbered_within_their_kind() -> None:
    memo = Command(kind="memo", name="note", key="", fields={"a": 1}, event=4)
    wait = timer("7", 1)
    assert numbered([memo, wait, memo]) == [replace(memo, key="1"), wait, replace(memo, key="2")]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (Command(kind="activity", name="charge", key="1", fields={}), "activity charge (1)"),
        (Command(kind="completion", key="", fields={}), "completion"),
    ],
)
def test_a_command_is_read_by_what_is_known_of_it(command: Command, told: str) -> None:
    """Kind, name, and key in brackets; nothing stands for what it has not."""
    assert str(command) == told


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, [("a[1].b", 2, 3)]),
        ({"a": 1}, {}, [("a", 1, ABSENT)]),
        ({}, {"a": None}, [("a", ABSENT, None)]),
        ([1], [1, 2], [("[1]", ABSENT, 2)]),
        ([1, 2], [1], [("[1]", 2, ABSENT)]),
        (True, 1, [("", True, 1)]),
        (0, False, [("", 0, False)]),
        ({"a": {}}, {"a": []}, [("a", {}, [])]),
        ("x", "x", []),
        (1, 1.0, []),
        (False, False, []),
        ("nan", float("inf"), [("", "nan", float("inf"))]),
    ],
)
def test_every_place_that_differs_is_told(then: Any, now: Any, told: list[tuple[str, Any, Any]]) -> None:
    assert [(change.path, change.then, change.now) for change in changed(then, now)] == told


@given(JSON)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    """NaN included."""
    assert list(changed(value, value)) == []


@given(JSON, JSON)
def test_differing_is_mutual(one: Any, other: Any) -> None:
    there, back = list(changed(one, other)), list(changed(other, one))
    assert {change.path for change in there} == {change.path for change in back}


@pytest.mark.parametrize(("then", "now"), [(float("nan"), 1.0), (1.0, float("nan"))])
def test_a_number_differs_from_none(then: float, now: float) -> None:
    """NaN is itself alone."""
    assert len(list(changed(then, now))) == 1
    assert list(changed(float("nan"), float("nan"))) == []
