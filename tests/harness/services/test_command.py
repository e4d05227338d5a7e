"""A process of the target's own is a service like any other: started, reached, killed, restarted, stopped."""

from pathlib import Path

import pytest

from harness.errors import CannotRun, PortInUse, ServiceFailed, ServiceUnreachable, UnknownName
from harness.links import Links
from harness.services import web
from harness.services.command import CommandService, CommandSpec
from harness.services.ports import free_port
from harness.services.process import NotReady
from harness.stack import Stack

SERVE = ["{python}", "-m", "http.server", "{files.port}", "--bind", "{files.host}", "--directory", "{target.directory}"]


def files(directory: Path, *, command: list[str] | None = None, ready: str = "", **environment: str) -> CommandSpec:
    """Serves the files of a directory, one of which says so."""
    (directory / "served").write_text("by us")
    return CommandSpec(command=command or SERVE, ready=ready, environment=environment, directory=directory)


def stack_of(spec: CommandSpec, directory: Path, **options: int) -> Stack:
    """A stack of this process alone."""
    return Stack.of([], processes={"files": spec}, ports=options, log_directory=directory / "logs")


async def test_it_answers_at_its_address_and_ends_with_the_stack(tmp_path: Path) -> None:
    """It is started on a free port that templates can name, its log is kept, and nothing of it is left."""
    told: list[str] = []
    spec = files(tmp_path, ready="{files.url}/served")
    async with Stack.of([], processes={"files": spec}, log_directory=tmp_path / "logs", notify=told.append) as stack:
        service = stack["files"]
        assert await web.get(f"{stack.addresses['files.url']}/served") == (200, b"by us")
        assert service.provider == "embedded"
        process = service.process
        assert process is not None
        assert process.alive
    assert not process.alive
    assert "GET /served" in (tmp_path / "logs" / "files.log").read_text()
    (said,) = told
    assert said.startswith(f"files ready at {service.address} in ")


async def test_it_starts_once_the_services_stand_and_is_told_where(tmp_path: Path) -> None:
    """Its command and its environment can name the services' addresses, which are known by then."""
    code = (
        "import http.server, os, pathlib, sys; pathlib.Path('seen').write_text(os.environ['CACHE'] + sys.argv[1]); "
        "http.server.test(http.server.SimpleHTTPRequestHandler, bind=sys.argv[2], port=int(sys.argv[3]))"
    )
    command = ["{python}", "-c", code, " {workspace}", "{files.host}", "{files.port}"]
    spec = files(tmp_path, command=command, CACHE="{redis.url}")
    async with Stack.of(["redis"], processes={"files": spec}, log_directory=tmp_path / "logs") as stack:
        assert (tmp_path / "seen").read_text() == f"{stack['redis'].url} {stack.directory}"
        assert list(stack.services) == ["redis", "files"]


async def test_a_launcher_may_have_a_child_listen(tmp_path: Path) -> None:
    """A command that only launches another, as npm does, is ready when its child listens; both end."""
    launcher = ["/bin/sh", "-c", '"$@" & wait', "sh", *SERVE]
    async with stack_of(files(tmp_path, command=launcher), tmp_path) as stack:
        url = stack["files"].url
        assert (await web.get(f"{url}/served"))[0] == 200
    with pytest.raises(NotReady):
        await web.get(f"{url}/served")


async def test_a_killed_one_comes_back_on_its_port(tmp_path: Path) -> None:
    """After kill -9 and a restart it answers at the same address."""
    async with stack_of(files(tmp_path), tmp_path) as stack:
        service = stack["files"]
        assert isinstance(service, CommandService)
        assert service.process is not None
        address, pid = service.address, service.process.pid
        await service.process.kill()
        await service.restart()
        assert service.address == address
        assert service.process.pid != pid
        assert (await web.get(f"{service.url}/served"))[0] == 200


async def test_it_has_links_as_every_service_has(tmp_path: Path) -> None:
    """A worker reaches it through a proxy of the worker's own, and the addresses it is handed say so."""
    spec = files(tmp_path)
    async with Stack.of(["toxiproxy"], processes={"files": spec}, log_directory=tmp_path / "logs") as stack:
        links = Links(stack["toxiproxy"], stack.services)
        addresses = await links.open_all("worker-1")
        (link,) = links.of("worker-1")
        assert addresses["files.url"] == f"http://{link.listen}"
        assert await web.get(f"{addresses['files.url']}/served") == (200, b"by us")
        await links.api.disable(link)
        with pytest.raises(NotReady):
            await web.get(f"{addresses['files.url']}/served")
        await links.close()


async def test_one_that_runs_already_is_used_as_it_is(tmp_path: Path) -> None:
    """Given an address, nothing is started: it must answer, and it stays when the stack goes."""
    spec = files(tmp_path, ready="{files.url}/served")
    async with stack_of(spec, tmp_path) as theirs:
        for given in (theirs["files"].url, theirs["files"].address):
            external = {"files": given}
            async with Stack.of([], processes={"files": spec}, external=external, log_directory=tmp_path) as ours:
                assert (ours["files"].provider, ours["files"].process) == ("external", None)
                assert ours["files"].url == theirs["files"].url
        process = theirs["files"].process
        assert process is not None
        assert process.alive


async def test_one_that_runs_already_must_be_ready(tmp_path: Path) -> None:
    """An address where nobody is, or where another answers, is refused with the reason."""
    for given, says in ((f"http://127.0.0.1:{free_port()}", "connection refused"), ("ftp://a", "expected http://")):
        with pytest.raises(ServiceUnreachable, match=says):
            async with Stack.of(
                [], processes={"files": files(tmp_path)}, external={"files": given}, log_directory=tmp_path
            ):
                pytest.fail("nobody is there")
    async with stack_of(files(tmp_path), tmp_path) as other:
        wrong = files(tmp_path, ready="{files.url}/missing")
        with pytest.raises(ServiceUnreachable, match="/missing answered 404"):
            async with Stack.of(
                [], processes={"files": wrong}, external={"files": other["files"].url}, log_directory=tmp_path
            ):
                pytest.fail("it is another")


async def test_its_port_can_be_fixed(tmp_path: Path) -> None:
    """A port that is asked for is used, or refused where another has it."""
    port = free_port()
    async with stack_of(files(tmp_path), tmp_path, files=port) as stack:
        assert stack["files"].port == port
        with pytest.raises(PortInUse, match=f"files cannot listen on 127.0.0.1:{port}"):
            await stack_of(files(tmp_path), tmp_path, files=port).start()


@pytest.mark.parametrize(
    ("command", "ready", "says"),
    [
        (["no-such-program"], "", "files ended with exit code 127 before it was ready[\\s\\S]*no-such-program"),
        (
            ["{python}", "-c", "raise SystemExit('no licence')"],
            "",
            "exit code 1 before it was ready[\\s\\S]*no licence",
        ),
        (SERVE, "{files.url}/missing", "was not ready within 3 s: http://.*/missing answered 404"),
        (["/bin/sleep", "60"], "", "was not ready within 3 s: connection refused"),
    ],
)
async def test_one_that_is_never_ready_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], ready: str, says: str
) -> None:
    """A command that does not exist, ends, or never answers is an error that quotes its log; nothing is left."""
    if "not ready" in says:
        monkeypatch.setattr("harness.services.service.READY_SECONDS", 3)
    stack = stack_of(files(tmp_path, command=command, ready=ready), tmp_path)
    with pytest.raises(ServiceFailed, match=says):
        await stack.start()
    process = stack["files"].process
    assert process is not None
    assert not process.alive


async def test_a_placeholder_nobody_knows_is_told(tmp_path: Path) -> None:
    """A service that the stack does not hold cannot be named."""
    with pytest.raises(UnknownName, match=r"no placeholder '\{postgres.url\}'[\s\S]*\{files.url\}"):
        await stack_of(files(tmp_path, DB="{postgres.url}"), tmp_path).start()


def test_names_are_refused_where_they_would_be_ignored(tmp_path: Path) -> None:
    """A process is no service to ask for by name; the address or port of one that is not there is an error."""
    with pytest.raises(UnknownName, match="no service 'files'"):
        Stack.of(["files"], processes={"files": files(tmp_path)}, log_directory=tmp_path)
    with pytest.raises(UnknownName, match=r"no service 'file'.*\n.*files"):
        stack_of(files(tmp_path), tmp_path, file=1)
    with pytest.raises(CannotRun, match="A port was given for files, which this stack does not start itself"):
        Stack.of(
            [],
            processes={"files": files(tmp_path)},
            external={"files": "a:1"},
            ports={"files": 1},
            log_directory=tmp_path,
        )
