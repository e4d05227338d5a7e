"""The container engine is found where it is, and what goes wrong is told with what to do."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from harness.errors import CannotRun, ToolMissing
from harness.services import engine, guard
from harness.services.engine import Found, find

PODMAN = {"Version": "5.4.2", "Components": [{"Name": "Podman Engine"}]}
DOCKER = {"Version": "28.2.2", "Components": [{"Name": "Engine"}]}


class Listening(socketserver.ThreadingUnixStreamServer):
    """What an engine answers at its socket, no more; it says what it was asked."""

    def __init__(self, path: Path, version: dict[str, Any]) -> None:
        self.version = version
        self.asked: list[str] = []
        self.there = {"temper-a", "temper-b"}
        super().__init__(str(path), Answers)


class Answers(BaseHTTPRequestHandler):
    """Its version, and the end of a container."""

    server: Listening

    def do_GET(self) -> None:
        self.answer(200, json.dumps(self.server.version).encode())

    def do_DELETE(self) -> None:
        name = self.path.removeprefix("/containers/").partition("?")[0]
        self.server.asked.append(self.path)
        there = name in self.server.there
        self.server.there.discard(name)
        self.answer(204 if there else 404)

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def listening(path: Path, version: dict[str, Any]) -> Iterator[Listening]:
    """An engine at this socket."""
    with Listening(path, version) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without an engine, whose sockets would be in the test's directory."""
    for name in ("DOCKER_HOST", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(engine, "DOCKER_SOCKET", tmp_path / "docker.sock")
    monkeypatch.setattr(engine, "PODMAN_SOCKET", tmp_path / "podman.sock")


def test_docker_goes_before_podman_and_a_stale_socket_is_passed_over(tmp_path: Path) -> None:
    """Each that answers is taken in its turn; a socket that nobody listens at any more is none."""
    with listening(tmp_path / "podman.sock", PODMAN):
        with listening(tmp_path / "docker.sock", DOCKER):
            assert find() == Found(name="docker", version="28.2.2", address=f"unix://{tmp_path}/docker.sock")
        assert (tmp_path / "docker.sock").exists()
        assert find() == Found(name="podman", version="5.4.2", address=f"unix://{tmp_path}/podman.sock")


def test_a_socket_of_ones_own_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Rootless Podman listens in the user's runtime directory."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run/podman").mkdir(parents=True)
    with listening(tmp_path / "run/podman/podman.sock", PODMAN):
        assert find().address == f"unix://{tmp_path}/run/podman/podman.sock"


def test_docker_host_goes_before_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the user names is used, and nothing else where it does not answer."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/mine.sock")
    with listening(tmp_path / "docker.sock", DOCKER):
        with pytest.raises(ToolMissing, match=r"DOCKER_HOST is unix://.*mine.sock, where no container engine answers"):
            find()
        with listening(tmp_path / "mine.sock", PODMAN):
            assert find().address == f"unix://{tmp_path}/mine.sock"


@pytest.mark.parametrize("address", ["tcp://10.0.0.7:2375", "ssh://build@elsewhere"])
def test_an_engine_of_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Its containers would be on another network than the tests."""
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(CannotRun, match=f"DOCKER_HOST is {address}, which is not on this machine") as caught:
        find()
    assert "unset it" in caught.value.remedy


def test_podman_that_nobody_serves_is_found(tmp_path: Path) -> None:
    """Its program is enough: the stack serves it."""
    program = tmp_path / "podman"
    program.write_text("#!/bin/sh\necho podman version 5.4.2\n")
    program.chmod(0o755)
    assert find() == Found(name="podman", version="5.4.2", program=program)


def test_with_no_engine_the_error_says_what_was_tried_and_what_to_do(tmp_path: Path) -> None:
    """Neither a socket nor a program: the message names the ways to get one, and the way to do without."""
    with pytest.raises(ToolMissing, match="there is no socket of Docker or Podman") as caught:
        find()
    assert "apt-get install" in caught.value.remedy
    assert "embedded provider needs neither" in caught.value.remedy
    (tmp_path / "docker.sock").touch()
    with pytest.raises(ToolMissing, match=r"docker\.sock does not answer \(connection refused\)"):
        find()


def test_what_is_no_engine_is_passed_over(tmp_path: Path) -> None:
    """Something else that listens at the socket is told of."""
    with (
        listening(tmp_path / "docker.sock", {"hello": "world"}),
        pytest.raises(ToolMissing, match="no answer of a container engine"),
    ):
        find()


def test_the_guard_removes_the_containers_that_are_left(tmp_path: Path) -> None:
    """At the end of its orders what was not forgotten goes, with its volumes; also where the engine is gone."""
    with listening(tmp_path / "docker.sock", DOCKER) as server:
        address = f"unix://{tmp_path}/docker.sock"
        left, forgotten = f"{address} temper-a", f"{address} temper-b"
        guard.look_after([f"container {left}\n", f"container {forgotten}\n", f"forget-container {forgotten}\n"])
        assert server.asked == ["/containers/temper-a?force=1&v=1"]
        assert server.there == {"temper-b"}
    guard.remove_containers([(address, "temper-b")], patience=0)


def test_the_guard_waits_for_a_container_in_the_making(tmp_path: Path) -> None:
    """One that is not there yet is asked for again: the engine may still be making it."""
    with listening(tmp_path / "docker.sock", DOCKER) as server:
        late = threading.Timer(0.3, server.there.add, ["temper-late"])
        late.start()
        guard.remove_containers([(f"unix://{tmp_path}/docker.sock", "temper-late")], patience=20)
        late.join()
        assert "temper-late" not in server.there
