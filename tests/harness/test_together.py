"""What is done together succeeds together, or leaves nothing going."""

import asyncio

import pytest

from harness.together import together


async def test_the_first_error_is_raised_after_the_others_have_cleaned_up() -> None:
    """The error comes as itself with its cause; a cleanup that takes a while is waited for, undisturbed."""
    log: list[str] = []

    async def fail() -> None:
        raise ValueError("odd") from KeyError("cause")

    async def tidy() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(3):
                await asyncio.sleep(0)
            log.append("tidied")

    with pytest.raises(ValueError, match="odd") as caught:
        await together([tidy(), fail()])
    assert isinstance(caught.value.__cause__, KeyError)
    assert log == ["tidied"]


async def test_a_cancel_reaches_each_once() -> None:
    """Cancelling the whole cancels each part a single time, so that its cleanup is not cut short."""
    cancels: list[int] = []

    async def count() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            task = asyncio.current_task()
            assert task is not None
            cancels.append(task.cancelling())

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await together([count(), count()])
    assert cancels == [1, 1]
