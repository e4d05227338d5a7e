"""`eventually` waits for what will be true soon."""

import asyncio

import pytest

from harness.eventually import eventually


async def test_it_returns_the_first_true_answer() -> None:
    """Answers that are false are asked again; the first that is true comes back."""
    answers = iter([0, "", 7])
    assert await eventually(lambda: next(answers), interval=0) == 7


async def test_it_awaits_an_async_predicate() -> None:
    """A coroutine function is as good as a function."""

    async def seven() -> int:
        return 7

    assert await eventually(seven) == 7


async def test_an_exception_counts_as_not_yet() -> None:
    """What raises now may answer later."""
    answers = iter([None, 7])

    def answer() -> int:
        value = next(answers)
        if value is None:
            raise ConnectionError("not up yet")
        return value

    assert await eventually(answer, interval=0) == 7


async def test_the_last_answer_is_in_the_failure() -> None:
    """When the time is up the failure shows the answer it had to do with."""
    with pytest.raises(AssertionError, match=r"not within 0.01 s: the last answer was \[\]"):
        await eventually(list, timeout=0.01, interval=0)


async def test_the_last_exception_is_the_cause() -> None:
    """When the time is up the failure shows the exception, and carries it."""

    def fail() -> bool:
        raise ValueError("odd")

    with pytest.raises(AssertionError, match="odd") as caught:
        await eventually(fail, timeout=0.01, interval=0)
    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_predicate_that_hangs_is_given_up() -> None:
    """A predicate that never answers cannot hold the test beyond its timeout."""
    with pytest.raises(AssertionError, match="it gave no answer"):
        await eventually(asyncio.Event().wait, timeout=0.05, interval=0.01)


async def test_it_asks_ever_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits grow up to a tenth of a second; one that is longer from the beginning stays as it is."""
    waits: list[float] = []
    answers = iter([*([0] * 12), 1, 0, 0, 1])

    async def note(seconds: float) -> None:
        waits.append(round(seconds, 3))

    monkeypatch.setattr(asyncio, "sleep", note)
    await eventually(lambda: next(answers), interval=0.02)
    assert waits[:3] == [0.02, 0.024, 0.029]
    assert waits[-2:] == [0.1, 0.1]
    await eventually(lambda: next(answers), interval=0.5)
    assert waits[-2:] == [0.5, 0.5]
