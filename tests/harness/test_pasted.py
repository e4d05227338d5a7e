"""A test is made of the steps that Hypothesis prints; tried on steps written by hand."""

import ast
import enum

from harness.pasted import as_test, steps


class Colour(enum.Enum):
    RED = "red"


class SmallShop:
    """Stands for a machine."""


NOTES = [
    "Failing test case: <state machine>",
    "state = SmallShop()",
    "state.solvent()",
    "order_0 = state.place(colour=<Colour.RED: 'red'>)",
    "state.solvent()",
    "state.wait(order=order_0, duration=datetime.timedelta(seconds=3))",
    "state.solvent()",
    "state.teardown()",
]


def test_only_the_last_check_of_an_invariant_is_kept() -> None:
    """It may be what failed; those before it did not."""
    assert steps(NOTES, ["solvent"]) == [
        "order_0 = state.place(colour=Colour.RED)",
        "state.wait(order=order_0, duration=datetime.timedelta(seconds=3))",
        "state.solvent()",
    ]
    assert steps(["no machine's"]) is None


def test_the_test_imports_what_its_steps_name() -> None:
    """Classes from where the machine is, modules as they are; and it asks for the fixtures the machine is made with."""
    text = as_test(SmallShop, steps(NOTES, ["solvent"]) or [], given=["settings"], marks={"schedules": True})
    assert (
        text
        == f"""import datetime
import pytest
from {__name__} import Colour, SmallShop


@pytest.mark.temporal(schedules=True)
def test_small_shop_again(temporal_model, settings):
    with temporal_model.script(SmallShop, settings=settings) as state:
        order_0 = state.place(colour=Colour.RED)
        state.wait(order=order_0, duration=datetime.timedelta(seconds=3))
        state.solvent()
"""
    )


def test_what_is_no_python_is_a_comment() -> None:
    """The test is one that can be read, and finished by hand."""
    text = as_test(SmallShop, ["state.wait(order=<Order 1>)"])
    assert "# state.wait(order=<Order 1>)" in text
    ast.parse(text)


def test_no_steps_are_a_test_too() -> None:
    """What failed was the machine's beginning, or its end."""
    ast.parse(as_test(SmallShop, []))
