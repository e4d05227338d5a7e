"""Fault points on the wire: a gRPC pass-through before a Temporal server that loses, delays and duplicates calls.

    async with Wire.to("127.0.0.1:7233") as wire:
        wire.lose_request("RespondActivityTaskCompleted", activity="orders.capture_payment", attempt=1, times=None)
        ...  # workers and clients in any language, connected to wire.address
        assert wire.bitten

Everything else passes as it came: deadline, metadata, cancellation, status, details and trailing metadata. Only unary
calls pass, which are all that workers and clients make. There is no TLS, on neither side.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NoReturn, TypedDict, Unpack

import grpc
import grpc.aio
from msgspec import Struct
from msgspec.structs import asdict

from harness.clock import now
from harness.rpc import SERVICE, About, Tasks, as_new, check

Act = Literal["lose request", "lose response", "delay", "duplicate"]
Context = grpc.aio.ServicerContext[bytes, bytes]

STOP_SECONDS = 5.0
"""For callers to be told that the wire is stopped."""

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
TO_SERVER = [
    *UNLIMITED,
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # A server that was away is found again soon, as its clients would by themselves.
    ("grpc.max_reconnect_backoff_ms", 1000),
]
TO_CALLERS = [
    *UNLIMITED,
    ("grpc.so_reuseport", 0),
    # Callers ping while they poll; a server of grpcio's would hang up on the third.
    ("grpc.http2.max_ping_strikes", 0),
]


class Bitten(Struct, frozen=True, kw_only=True):
    """A rule that bit: when, and which call."""

    at: float
    """Seconds since the Unix epoch."""
    act: Act
    rpc: str
    about: About
    answers: tuple[str, ...] = ()
    """The status that the server gave to a call whose response was lost, or to each of two."""


class Choice(TypedDict, total=False):
    """Which calls of an RPC: those about all of what is named."""

    workflow_id: str
    prefix: str
    """How the workflow's id begins."""
    activity: str
    attempt: int
    signal: str


@dataclass(eq=False)
class Rule:
    """What happens to the calls it fits, and when it did."""

    act: Act
    rpc: str
    choice: Choice
    times: int | None
    """How often it may still bite; None is always."""
    code: grpc.StatusCode | None = None
    seconds: float = 0.0
    new: bool = False
    bitten: list[Bitten] = field(default_factory=list)
    lifted: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def was_felt(self) -> bool:
        """Whether it bit, and not only calls that the server refused: of those, no answer can be lost or doubled."""
        return any(not bite.answers or bite.answers[0] == grpc.StatusCode.OK.name for bite in self.bitten)

    def fits(self, rpc: str, about: About) -> bool:
        """Whether it is to bite this call."""
        if rpc != self.rpc or self.times == 0:
            return False
        wanted = dict(self.choice)
        beginning = str(wanted.pop("prefix", ""))
        told = asdict(about)
        return about.workflow_id.startswith(beginning) and all(told[name] == value for name, value in wanted.items())


@dataclass(frozen=True)
class _Answer:
    code: grpc.StatusCode
    details: str | None
    initial: grpc.aio.Metadata
    trailing: grpc.aio.Metadata
    body: bytes


class Wire:
    """A pass-through that stands, and the rules it follows; of several that fit a call, the one made first bites.

    Attributes:
        address: host:port for workers and clients.
        bitten: every bite of every rule, in order. A rule that is not here was not in force, and proves nothing.
        calls: how many calls have come by.

    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.address = ""
        self.bitten: list[Bitten] = []
        self.calls = 0
        self._channel = channel
        self._rules: list[Rule] = []
        self._made: list[Rule] = []
        self._tasks = Tasks()
        self._serving: set[asyncio.Task[object]] = set()
        self._stopped = False
        self._methods: dict[str, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}

    @classmethod
    @asynccontextmanager
    async def to(cls, address: str) -> AsyncIterator[Wire]:
        """Stand before the server at this host:port until the block ends; who still waits then is told UNAVAILABLE."""
        async with grpc.aio.insecure_channel(address, options=TO_SERVER) as channel:
            wire = cls(channel)
            server = grpc.aio.server(handlers=[_Everything(wire._serve)], options=TO_CALLERS)
            wire.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            await server.start()
            try:
                yield wire
            finally:
                await wire._stop(server)

    def lose_request(
        self,
        rpc: str,
        *,
        code: grpc.StatusCode | None = grpc.StatusCode.UNAVAILABLE,
        times: int | None = 1,
        **choice: Unpack[Choice],
    ) -> Rule:
        """The call never reaches the server; the caller is told `code`, or with None waits for its deadline or `heal`.

        Temporal's SDKs send again for some seconds what was UNAVAILABLE, under the same request id: with `times=1`
        they make good what was lost, with None (always) the call is lost for good.
        """
        return self._add(Rule("lose request", rpc, choice, times, code=code))

    def lose_response(
        self,
        rpc: str,
        *,
        code: grpc.StatusCode | None = grpc.StatusCode.UNAVAILABLE,
        times: int | None = 1,
        **choice: Unpack[Choice],
    ) -> Rule:
        """The server does what it is told; the caller is told `code`, or with None waits for its deadline or `heal`.

        Of a poll, it is the task that is lost; it can be chosen by what it is about.
        """
        return self._add(Rule("lose response", rpc, choice, times, code=code))

    def delay(self, rpc: str, seconds: float, *, times: int | None = 1, **choice: Unpack[Choice]) -> Rule:
        """The call reaches the server so much later, if its caller still waits."""
        return self._add(Rule("delay", rpc, choice, times, seconds=seconds))

    def duplicate(self, rpc: str, *, new: bool = False, times: int | None = 1, **choice: Unpack[Choice]) -> Rule:
        """The call reaches the server once more when it has been answered; its caller hears the first answer.

        The server knows the copy by its request id, where it has one; `new` gives it another, as a caller does who
        knows nothing of the first.
        """
        if new:
            as_new(rpc, b"")
        return self._add(Rule("duplicate", rpc, choice, times, new=new))

    def unbitten(self) -> list[Rule]:
        """The rules that changed nothing so far, healed or not, in the order in which they were made."""
        return [rule for rule in self._made if not rule.was_felt]

    def heal(self) -> None:
        """Let everything pass again, what is delayed too; who still waits for what was lost is told UNAVAILABLE."""
        for rule in list(self._rules):
            self.lift(rule)

    def lift(self, rule: Rule) -> None:
        """Let what it fits pass again, and end the waiting for it, as `heal` does for all; harmless when done twice."""
        if rule in self._rules:
            self._rules.remove(rule)
        rule.lifted.set()

    def _add(self, rule: Rule) -> Rule:
        wanted = {"workflow_id" if name == "prefix" else name for name in rule.choice}
        check(rule.rpc, wanted, answered=rule.act == "lose response")
        self._rules.append(rule)
        self._made.append(rule)
        return rule

    def _due(self, rpc: str, about: About, *acts: Act) -> Rule | None:
        rule = next((rule for rule in self._rules if rule.act in acts and rule.fits(rpc, about)), None)
        if rule and rule.times:
            rule.times -= 1
        return rule

    def _bite(self, rule: Rule, about: About, *answers: _Answer) -> None:
        bitten = Bitten(
            at=now(), act=rule.act, rpc=rule.rpc, about=about, answers=tuple(answer.code.name for answer in answers)
        )
        rule.bitten.append(bitten)
        self.bitten.append(bitten)

    async def _serve(self, method: str, request: bytes, context: Context) -> bytes:
        task = asyncio.current_task()
        assert task
        self._serving.add(task)
        self.calls += 1
        try:
            if not self._stopped:
                return await self._pass_through(method, request, context)
        except asyncio.CancelledError:
            if not self._stopped:  # the caller has gone
                raise
        finally:
            self._serving.discard(task)
        return await context.abort(grpc.StatusCode.UNAVAILABLE, "the wire is stopped")

    async def _stop(self, server: grpc.aio.Server) -> None:
        # Left to itself the server would drop its calls without a word to those who made them, and log errors.
        self._stopped = True
        for task in self._serving:
            task.cancel()
        await server.stop(STOP_SECONDS)

    async def _pass_through(self, method: str, request: bytes, context: Context) -> bytes:
        rpc = method.removeprefix(SERVICE)
        about = self._tasks.in_request(rpc, request) if any(rule.rpc == rpc for rule in self._rules) else About()
        rule = self._due(rpc, about, "lose request", "delay", "duplicate")
        if rule and rule.act != "duplicate":
            self._bite(rule, about)
            if rule.act == "lose request":
                return await self._lose(rule, context)
            with suppress(TimeoutError):
                await asyncio.wait_for(rule.lifted.wait(), rule.seconds)
        answer = await self._forward(method, request, context)
        if rule and rule.act == "duplicate":
            copy = as_new(rpc, request) if rule.new else request
            self._bite(rule, about, answer, await self._forward(method, copy, context))
        for task in self._tasks.in_response(rpc, answer.body) or [About()]:
            told = about.or_else(task)
            if lost := self._due(rpc, told, "lose response"):
                self._bite(lost, told, answer)
                return await self._lose(lost, context)
        return await _answer(context, answer)

    async def _lose(self, rule: Rule, context: Context) -> NoReturn:
        if rule.code is None:
            await rule.lifted.wait()
        code = rule.code or grpc.StatusCode.UNAVAILABLE
        await context.abort(code, f"a rule of the wire: {rule.act}")

    async def _forward(self, method: str, request: bytes, context: Context) -> _Answer:
        if method not in self._methods:
            self._methods[method] = self._channel.unary_unary(method)
        metadata = [(key, value) for key, value in context.invocation_metadata() or () if key != "user-agent"]
        call = self._methods[method](request, timeout=context.time_remaining(), metadata=metadata)
        try:
            body = await call
        except grpc.aio.AioRpcError as error:
            return _Answer(error.code(), error.details(), error.initial_metadata(), error.trailing_metadata(), b"")
        return _Answer(grpc.StatusCode.OK, "", await call.initial_metadata(), await call.trailing_metadata(), body)


class _Everything(grpc.GenericRpcHandler):
    """Serves every method there may be, and leaves messages the bytes they are."""

    def __init__(self, serve: Callable[[str, bytes, Context], Awaitable[bytes]]) -> None:
        self._serve = serve

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        """See base class."""
        return grpc.unary_unary_rpc_method_handler(partial(self._serve, handler_call_details.method))


async def _answer(context: Context, answer: _Answer) -> bytes:
    if answer.initial:
        await context.send_initial_metadata(tuple(answer.initial))
    if answer.code is not grpc.StatusCode.OK:
        await context.abort(answer.code, answer.details or "", tuple(answer.trailing))
    context.set_trailing_metadata(tuple(answer.trailing))
    return answer.body
