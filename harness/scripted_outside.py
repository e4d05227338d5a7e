"""The outside world as a test scripts it: a small real HTTP service that knows which activity attempt made which call.

    outside.on("POST /charges").answer(503).drop().answer(201, {"id": 7})
    ...  # workflows whose activities call outside.url
    assert outside.per_attempt("POST /charges") == [1, 1, 1]

A retry inside a retry is seen nowhere else: each attempt ends well, having called three times. An attempt is told by
being the only one that is open as the call comes, or the only one whose workflow's id is in the request.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from harness.attempted import Attempted

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
EVERYTHING = "*"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a call is answered; without a status the connection is dropped."""

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str]
    delay: float = 0.0
    """Seconds that it comes late."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call that came in."""

    method: str
    path: str
    """With its query."""
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes
    status: int | None
    """What it was answered; None where the connection was dropped."""
    attempt: Attempted | None
    """Whose it is; None where that cannot be told."""

    @property
    def route(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]}"

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class NotAttributed(AssertionError):
    """It cannot be told which attempt made a call: no attempt was open, or several were that nothing tells apart."""


class Script:
    """The answers of one route, one a call; the last one is given again and again."""

    def __init__(self) -> None:
        self._answers: list[Answer] = []
        self._given = 0

    def answer(
        self, status: int = 200, body: Any = b"", *, headers: Mapping[str, str] | None = None, delay: float = 0.0
    ) -> Self:
        """Answer the next call; a body that is neither bytes nor text is sent as JSON.

        Args:
            status: of HTTP.
            body: of the answer.
            headers: besides those that say what the body is.
            delay: seconds that the answer comes late.

        """
        kind = "text/plain" if isinstance(body, bytes | str) else "application/json"
        content = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        told = {"Content-Type": kind, **(headers or {})}
        self._answers.append(Answer(status=status, body=content, headers=told, delay=delay))
        return self

    def drop(self, *, delay: float = 0.0) -> Self:
        """Hang up on the next call without an answer."""
        self._answers.append(Answer(status=None, headers={}, delay=delay))
        return self

    def take(self) -> Answer:
        """The answer to the call that is next."""
        if not self._answers:
            self.answer()
        answer = self._answers[min(self._given, len(self._answers) - 1)]
        self._given += 1
        return answer


class ScriptedOutside:
    """The service, which runs until the block ends.

    Attributes:
        url: where it listens, without a slash at the end.
        calls: all that came in, in order.

    """

    def __init__(self, open_attempts: Callable[[], Sequence[Attempted]] = lambda: ()) -> None:
        self.calls: list[Call] = []
        self._open_attempts = open_attempts
        self._scripts: dict[str, Script] = {}
        self._once: list[str] = []
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="outside", daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def on(self, route: str) -> Script:
        """The script of a route, such as "POST /charges" or "GET /charges/*"; of several that fit, the first made."""
        with self._changing:
            return self._scripts.setdefault(route, Script())

    def per_attempt(self, route: str = EVERYTHING) -> list[int]:
        """How often each attempt that called a route did so, in order of their first calls. Raises NotAttributed."""
        return list(Counter(map(_attempt, self._on(route))).values())

    def once_per_attempt(self, route: str = EVERYTHING) -> None:
        """Ask that no attempt makes the same request twice: `repeated` tells those that do."""
        self._once.append(route)

    def repeated(self) -> list[str]:
        """Tell each attempt that made the same request more than once, on a route where that was ruled out.

        Raises NotAttributed.
        """
        watched = {id(call): call for route in self._once for call in self._on(route)}.values()
        times = Counter((_attempt(call), call.method, call.path, call.body) for call in watched)
        return [
            f"{made.activity}, attempt {made.attempt}, of {made.workflow_id!r} made the same request "
            f"{count} times: {method} {path}"
            for (made, method, path, _), count in times.items()
            if count > 1
        ]

    def take(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Note a call, and tell how it is answered; one that has no script with 501."""
        text = "\n".join([path, *headers.values(), body.decode(errors="replace")])
        with self._changing:
            route = f"{method} {path.partition('?')[0]}"
            script = next((each for pattern, each in self._scripts.items() if fnmatchcase(route, pattern)), None)
            if script is None:
                script = Script().answer(HTTPStatus.NOT_IMPLEMENTED, f"nothing is scripted for {route}")
            answer = script.take()
            call = Call(
                method=method,
                path=path,
                headers=headers,
                body=body,
                status=answer.status,
                attempt=_caller(self._open_attempts(), text),
            )
            self.calls.append(call)
        self._stopping.wait(answer.delay)
        return answer

    def _on(self, route: str) -> list[Call]:
        return [call for call in self.calls if fnmatchcase(call.route, route)]


def _caller(open_attempts: Sequence[Attempted], text: str) -> Attempted | None:
    """The one attempt that may have sent this text; None where there are several, or none."""
    if len(open_attempts) > 1:
        named = [each for each in open_attempts if each.workflow_id in text]
        # Of "order-1" and "order-12", both are in what names the latter.
        longest = max((each.workflow_id for each in named), key=len, default="")
        open_attempts = [each for each in named if each.workflow_id == longest or each.workflow_id not in longest]
    return open_attempts[0] if len(open_attempts) == 1 else None


def _attempt(call: Call) -> Attempted:
    if call.attempt is None:
        message = f"{call.method} {call.path}: it cannot be told which attempt made this call"
        raise NotAttributed(message)
    return call.attempt


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, outside: ScriptedOutside) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.outside = outside

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of callers who have gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def serve(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.outside.take(self.command, self.path, headers, body)
        self.close_connection = True
        if answer.status is None:
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its name in the standard library
        """Say nothing."""


for _method in METHODS:
    setattr(_Handler, f"do_{_method}", _Handler.serve)
