"""What a replay that is not the same is told as, line by line."""

from collections.abc import Sequence

from harness.replay.commands import ABSENT, Change, Command, Difference
from harness.replay.semantic import Replayed
from harness.replay.told import told


def replayed(*, failure: Exception | None = None, differences: Sequence[Difference] = ()) -> Replayed:
    return Replayed(
        workflow_id="order-1",
        run_id="r-1",
        workflow_type="Order",
        failure=failure,
        differences=differences,
        compared=9,
    )


def difference(*changes: Change, event: int = 5) -> Difference:
    command = Command(kind="activity", name="charge", key="1", fields={}, event=event)
    return Difference(command=command, changes=changes)


def test_of_one_that_is_the_same_nothing_is_told() -> None:
    assert list(told(replayed())) == []
    assert replayed().same


def test_every_value_that_differs_is_told_in_columns() -> None:
    """Which workflow, how many commands, at which event; then both values, as JSON with sorted names."""
    changes = (
        Change(path="arguments[0].amount", then=12, now=13),
        Change(path="memo", then={"b": 1, "a": "é"}, now=ABSENT),
        Change(path="x", then=ABSENT, now=b"!"),
    )
    found = replayed(differences=[difference(*changes)])
    assert not found.same
    assert list(told(found)) == [
        "Order 'order-1' (run r-1) replays, and does not command what it did: 1 of 9 commands differ",
        "  event 5, activity charge (1)",
        "    arguments[0].amount  then 12   now 13",
        r'    memo                 then {"a": "\u00e9", "b": 1}   now nothing',
        "    x                    then nothing   now \"b'!'\"",
    ]


def test_three_differences_are_told_and_the_others_counted() -> None:
    """The first is what matters: the others often follow from it."""
    several = [difference(Change(path="x", then=1, now=2), event=number) for number in range(5, 10)]
    lines = list(told(replayed(differences=several)))
    assert "5 of 9 commands differ" in lines[0]
    assert [line for line in lines if line.startswith("  event")] == [
        f"  event {number}, activity charge (1)" for number in (5, 6, 7)
    ]
    assert lines[-1] == "  … and 2 more"
    assert list(told(replayed(differences=several[:3])))[-1] == "    x  then 1   now 2"


def test_a_long_value_is_cut_short() -> None:
    """After 200 characters, quotes included."""
    fits, long = "f" * 198, "l" * 199
    line = list(told(replayed(differences=[difference(Change(path="x", then=fits, now=long))])))[2]
    assert line == f'    x  then "{fits}"   now "{long}…'


def test_why_temporal_itself_does_not_replay_is_told_in_its_words() -> None:
    """Out of the printed form of the SDK's core, up to the closing quote; else all it said."""
    core = RuntimeError(r'Fatal { message: "[TMPRL1100] expected \"a\", got b", other: "x" }')
    name = "Order 'order-1' (run r-1) does not replay: "
    assert list(told(replayed(failure=core))) == [name + r"[TMPRL1100] expected \"a\", got b"]
    assert list(told(replayed(failure=RuntimeError("it is broken")))) == [name + "it is broken"]
    assert not replayed(failure=core).same


def test_the_first_other_command_is_told_below_what_temporal_says() -> None:
    """With both sides; and where there is no event of it."""
    found = difference(Change(path="", then="activity charge (1)", now="timer (1)"), event=11)
    added = difference(Change(path="", then=ABSENT, now="activity charge (1)"), event=0)
    failure = RuntimeError("it is broken")
    assert list(told(replayed(failure=failure, differences=[found]))) == [
        "Order 'order-1' (run r-1) does not replay: it is broken",
        "  event 11, activity charge (1)",
        '      then "activity charge (1)"   now "timer (1)"',
    ]
    assert list(told(replayed(failure=failure, differences=[added])))[1:] == [
        "  no event, activity charge (1)",
        '      then nothing   now "activity charge (1)"',
    ]
