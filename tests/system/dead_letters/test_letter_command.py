"""The dead-letters commands, as an operator types them."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
from dead_letter_bed import Bed, bed
from failing_workflows import repaired
from running_system import command

from system.__main__ import main
from system.settings import Settings
from system.storage.pool import Pool

Run = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def run(settings: Settings) -> Run:
    return partial(command, settings, "dead-letters")


@pytest.fixture
async def standing(settings: Settings, database: Pool) -> AsyncIterator[Bed]:
    async with bed(settings, database) as one:
        yield one
    repaired.clear()


async def test_list_and_groups_show_what_failed(standing: Bed, run: Run) -> None:
    """A line a letter, newest first, with a next page; a line a fault."""
    assert await run("list") == (0, "there is none\n", "")
    assert await run("groups") == (0, "there is none\n", "")
    first, second = await standing.fail("itself"), await standing.fail("activity", item="seven")
    letters = await standing.letters()
    status, out, _ = await run("list", "--limit", "1")
    line, more = out.splitlines()
    assert status == 0
    assert f"{second.id} [seven]  failing.refuse: InputError: item 'seven'" in line
    assert more == f"more: --before {letters[1].id}"
    _, out, _ = await run("list", "--before", str(letters[1].id), "--json")
    assert json.loads(out)["workflow_id"] == first.id
    _, out, _ = await run("list", "--error", "NoWay", "--since", "2000-01-01", "--state", "open")
    assert out.count("\n") == 1
    _, out, _ = await run("groups")
    assert {line.split()[0] for line in out.splitlines()} == {one.fingerprint for one in letters}


async def test_inspect_shows_everything(standing: Bed, run: Run) -> None:
    """The error, what to do about it, and what the activity was given; what does not exist is an error."""
    await standing.fail("activity", item="seven")
    letter = await standing.letter()
    status, out, _ = await run("inspect", str(letter.id))
    assert status == 0
    for text in ("what to do    correct the input", '"item": "seven"', "the workflow failed by it", "attempts: 1"):
        assert text in out
    _, out, _ = await run("inspect", str(letter.id), "--json")
    assert json.loads(out)["input"] == [{"how": "activity", "item": "seven"}]
    status, _, err = await run("inspect", "999")
    assert (status, err) == (2, "error: there is no dead letter 999: `dead-letters list` shows those there are\n")


async def test_redrive_says_what_came_of_it(standing: Bed, run: Run) -> None:
    """By id, and by fault; without either it asks which; what is refused says why."""
    handle = await standing.fail("activity")
    letter = await standing.letter()
    repaired.add(handle.id)
    status, out, _ = await run("redrive", "--fingerprint", letter.fingerprint, "--by", "ann", "--reason", "repaired")
    assert (status, "redriven 1, redriven before 0, resolved without a run 0, refused 0" in out) == (0, True)
    status, out, _ = await run("redrive", str(letter.id), "999")
    assert (status, "redriven 0, redriven before 1, resolved without a run 0, refused 1" in out) == (1, True)
    assert "  999: there is no such letter" in out
    for arguments in ([], ["1", "--all"], ["1", "--error", "E"]):
        status, _, err = await run("redrive", *arguments)
        assert (status, err.startswith("error: which letters?")) == (2, True)


async def test_discard_needs_a_reason_and_an_open_letter(standing: Bed, run: Run) -> None:
    """Who and why are kept with it; a second time there is nothing to discard."""
    await standing.fail("itself")
    letter = await standing.letter()
    assert (await run("discard", str(letter.id)))[0] == 2
    assert (await run("discard", str(letter.id), "--by", "ann", "--reason", "a test"))[0] == 0
    status, out, _ = await run("discard", str(letter.id), "--reason", "a test")
    assert (status, out) == (1, f"{letter.id} is not an open letter: left as it is\n")
    assert (await standing.letter()).state == "discarded"
    _, out, _ = await run("inspect", str(letter.id))
    assert "discarded by ann: a test" in out


async def test_a_time_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The message shows one that would do."""
    with pytest.raises(SystemExit):
        main(["dead-letters", "list", "--since", "yesterday"])
    assert "expected a time such as 2026-01-31T12:00" in capsys.readouterr().err
