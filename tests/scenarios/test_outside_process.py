"""The outside as a process: where it listens, how it ends, how much it keeps."""

import asyncio
import signal
import sys
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest
from provider_caller import Caller

from harness.eventually import eventually
from harness.services import web
from harness.services.ports import free_port
from harness.services.process import Process
from scenarios.outside import books, desk
from scenarios.outside.__main__ import main
from scenarios.outside.answers import Answer
from scenarios.outside.books import Call
from scenarios.outside.client import Outside
from scenarios.outside.desk import Desk
from scenarios.outside.wire import Action, Behaviour, Kind

ROOT = Path(__file__).parents[2]


def process(address: str, log: Path) -> Process:
    """The outside, not yet started."""
    command = [sys.executable, "-m", "scenarios.outside", "--address", address]
    return Process("outside", command, log_path=log, cwd=ROOT)


async def test_it_ends_when_told_whatever_is_open(tmp_path: Path) -> None:
    """By either signal: a call that is still waiting does not keep it; it ends with success and says nothing."""
    await asyncio.gather(*(told_to_end(tmp_path, number) for number in (signal.SIGTERM, signal.SIGINT)))


async def told_to_end(directory: Path, number: signal.Signals) -> None:
    address = f"127.0.0.1:{free_port()}"
    running = process(address, directory / number.name)
    running.start()
    try:
        await running.ready(lambda: web.get(f"http://{address}/health"), 20)
        outside = Outside(f"http://{address}")
        await outside.behave(Behaviour(kind=Kind.SLOW_BEFORE, prefix="", seconds=60))
        async with aiohttp.ClientSession() as session:
            waiting = asyncio.create_task(Caller(session, outside.url).authorize())
            await eventually(lambda: came_in(outside))
            assert await running.terminate(5, number=number)
            with pytest.raises(aiohttp.ClientConnectionError):
                await waiting
        assert running.returncode == 0
        assert running.last_lines() == []
    finally:
        await running.kill()


async def came_in(outside: Outside) -> bool:
    return bool((await outside.journal("")).entries)


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """Where another listens, one line says so, and it ends with an error."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        late = process(f"127.0.0.1:{port}", tmp_path / "log")
        late.start()
        try:
            assert await late.wait() == 1
        finally:
            await late.kill()
    (line,) = late.last_lines()
    assert line.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert "address already in use" in line


@pytest.mark.parametrize("address", ["8080", ":8080", "localhost:", "localhost:http", "localhost:0", "localhost:65536"])
def test_an_address_that_is_none_is_told(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no host:port is refused before anything listens."""
    monkeypatch.setattr(sys, "argv", ["outside", "--address", address])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert f"{address!r} is no address; expected host:port" in capsys.readouterr().err


async def test_it_refuses_what_it_could_not_remember(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it keeps as much as it may, calls are answered 507: nothing is forgotten that could be asked for."""
    monkeypatch.setattr(desk, "MOST_KEPT", 3)
    tried = Desk()
    answers = [await tried.take(_call(number), _held) for number in range(4)]
    assert [answer.status if answer else None for answer in answers] == [201, 201, 201, 507]
    assert len(tried.books.answers) == 3


async def test_its_journal_keeps_the_newest_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is bounded, and says how many calls it no longer has; the counts have them all."""
    monkeypatch.setattr(books, "JOURNAL_KEPT", 2)
    tried = Desk()
    for _ in range(5):
        await tried.take(_call(0), _held)
    journal = tried.books.journal("")
    assert (len(journal.entries), journal.forgotten) == (2, 3)
    (count,) = tried.books.counted("")
    assert (count.calls, count.effects, count.replays) == (5, 1, 4)


def _call(number: int) -> Call:
    return Call(key=f"k{number}", action=Action.AUTHORIZE, reference="r")


def _held(_: object) -> Answer:
    return Answer(HTTPStatus.CREATED, {})


def test_the_kinds_are_in_the_order_in_which_they_apply() -> None:
    """What comes before the effect stands before what comes after it."""
    kinds = list(Kind)
    assert kinds.index(Kind.DOWN) < kinds.index(Kind.FAIL_BEFORE) < kinds.index(Kind.REFUSE)
    assert kinds.index(Kind.REFUSE) < kinds.index(Kind.SLOW_AFTER) < kinds.index(Kind.FAIL_AFTER)
