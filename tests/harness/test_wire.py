"""A wire passes everything on as it came, except for the calls that a rule bites."""

import asyncio
import gc
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from small_worker import small_worker
from small_workflows import Echo, Fails, Marking, Waits
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from harness.doubts import unmet
from harness.errors import UnknownName
from harness.eventually import eventually
from harness.wire import Wire

COMPLETED = "RespondActivityTaskCompleted"
START = "StartWorkflowExecution"
SIGNAL = "SignalWorkflowExecution"
PATIENCE = 20.0
A_DAY = 86_400


@dataclass
class Wired:
    """A client and a worker, both of which reach the server by the wire alone."""

    wire: Wire
    client: Client
    task_queue: str
    path: Path

    async def start(self, workflow: Any, given: Any, **options: Any) -> WorkflowHandle[Any, Any]:
        options.setdefault("id", f"wired-{secrets.token_hex(4)}")
        return await self.client.start_workflow(workflow, given, task_queue=self.task_queue, **options)

    async def mark(self, **options: Any) -> list[int]:
        """Leave marks; returns the attempt by which each call ended well."""
        marking = Marking(str(self.path), **options)
        attempts: list[int] = await (await self.start("Marks", marking, result_type=list[int])).result()
        return attempts

    @property
    def marks(self) -> list[str]:
        """The effects, as "activity id, attempt"."""
        return [" ".join(line.split()[:2]) for line in self.path.read_text().splitlines()]


@pytest.fixture
async def wire(temporal_address: str) -> AsyncIterator[Wire]:
    """Before the server of the session."""
    async with Wire.to(temporal_address) as standing:
        yield standing


@pytest.fixture
async def wired(wire: Wire, tmp_path: Path) -> AsyncIterator[Wired]:
    async with small_worker(wire.address) as worker:
        yield Wired(wire, await Client.connect(wire.address), worker.task_queue, tmp_path / "marks")
        wire.heal()


async def test_without_a_rule_all_is_as_without_a_wire(wired: Wired) -> None:
    """Results, failures, refusals with their details, and what is not found."""
    assert await wired.mark(calls=2) == [1, 1]
    failing = await wired.start(Fails.run, "because")
    with pytest.raises(WorkflowFailureError):
        await failing.result()
    waiting = await wired.start(Waits.run, "")
    with pytest.raises(WorkflowAlreadyStartedError) as refused:
        await wired.start(Waits.run, "", id=waiting.id)
    assert refused.value.run_id == waiting.first_execution_run_id
    with pytest.raises(RPCError, match="not found") as unknown:
        await wired.client.get_workflow_handle("there-is-none").describe()
    assert unknown.value.status is RPCStatusCode.NOT_FOUND
    assert await waiting.execute_update(Waits.add, "word") == 1
    assert await waiting.query(Waits.words) == ["word"]
    await waiting.signal(Waits.go)
    assert await waiting.result() == ["word"]
    assert wired.wire.bitten == []


async def test_a_completion_that_never_arrives_has_its_effect_twice(wired: Wired) -> None:
    """The first attempt is committed and Temporal never learns of it, so the second has the effect again."""
    lost = wired.wire.lose_request(COMPLETED, activity="marks", attempt=1, times=None, code=grpc.StatusCode.NOT_FOUND)
    assert await wired.mark() == [2]
    assert wired.marks == ["1 1", "1 2"]
    assert [(bite.about.activity, bite.about.attempt, bite.answers) for bite in lost.bitten] == [("marks", 1, ())]


async def test_a_completion_whose_answer_is_lost_is_sent_again(wired: Wired) -> None:
    """The server has it: nothing is done twice."""
    lost = wired.wire.lose_response(COMPLETED, activity="marks", attempt=1, times=2)
    assert await wired.mark() == [1]
    await eventually(lambda: len(lost.bitten) == 2, timeout=PATIENCE)
    assert wired.marks == ["1 1"]
    assert [bite.answers for bite in lost.bitten] == [("OK",), ("NOT_FOUND",)]


async def test_what_is_lost_once_the_sdk_makes_good(wired: Wired) -> None:
    """It sends again what was UNAVAILABLE."""
    wired.wire.lose_request(COMPLETED, times=1)
    assert await wired.mark() == [1]
    assert [bite.act for bite in wired.wire.bitten] == ["lose request"]


async def test_a_start_whose_answer_is_lost_is_one_start(wired: Wired) -> None:
    """The client starts again by the same request id, and is told of the run that there is."""
    lost = wired.wire.lose_response(START, prefix="wired-")
    handle = await wired.start(Echo.run, "once")
    assert await handle.result() == "once"
    (bite,) = lost.bitten
    assert (bite.about.workflow_id, bite.answers) == (handle.id, ("OK",))
    history = await wired.client.get_workflow_handle(handle.id).fetch_history()
    assert history.run_id == handle.first_execution_run_id


async def test_a_start_that_nobody_answered_may_have_happened(wired: Wired) -> None:
    """Its caller waits in vain until its deadline, and the workflow runs."""
    wired.wire.lose_response(START, workflow_id="unanswered", code=None)
    with pytest.raises(RPCError) as caught:
        await wired.start(Echo.run, "heard", id="unanswered", rpc_timeout=timedelta(seconds=1))
    assert caught.value.status in {RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED}
    assert await wired.client.get_workflow_handle("unanswered").result() == "heard"


async def test_what_the_server_refused_leaves_nothing_to_lose(wired: Wired) -> None:
    """The rule bit, and changed nothing: it counts as one that was never met, until a call succeeds."""
    waiting = await wired.start(Waits.run, "")
    lost = wired.wire.lose_response(START, workflow_id=waiting.id)
    with pytest.raises(WorkflowAlreadyStartedError):
        await wired.start(Waits.run, "", id=waiting.id)
    assert [bite.answers for bite in lost.bitten] == [("ALREADY_EXISTS",)]
    assert wired.wire.unbitten() == [lost]
    assert unmet(lost).endswith(f"refused: lose response {START} (workflow_id='{waiting.id}'): ALREADY_EXISTS")
    again = wired.wire.duplicate(SIGNAL, workflow_id=waiting.id)
    await waiting.signal(Waits.go)
    assert again not in wired.wire.unbitten()


async def test_who_waits_for_what_was_lost_is_told_when_the_wire_is_healed(wired: Wired) -> None:
    """And makes it good."""
    lost = wired.wire.lose_request(START, code=None)
    starting = asyncio.create_task(wired.start(Echo.run, "late"))
    await eventually(lambda: lost.bitten, timeout=PATIENCE)
    assert not starting.done()
    wired.wire.heal()
    assert await (await starting).result() == "late"


async def test_one_rule_is_lifted_and_the_others_stay(wired: Wired) -> None:
    """Who waits for what it lost is told, and what another holds goes on waiting."""
    lifted = wired.wire.lose_request(START, workflow_id="lifted", code=None)
    held = wired.wire.lose_request(START, workflow_id="held", code=None)
    starting = [asyncio.create_task(wired.start(Echo.run, name, id=name)) for name in ("lifted", "held")]
    await eventually(lambda: lifted.bitten and held.bitten, timeout=PATIENCE)
    before = wired.wire.calls
    wired.wire.lift(lifted)
    wired.wire.lift(lifted)
    assert await (await starting[0]).result() == "lifted"
    assert not starting[1].done()
    assert wired.wire.calls > before
    wired.wire.lift(held)
    assert await (await starting[1]).result() == "held"


@pytest.mark.parametrize(("new", "words"), [(False, ["word"]), (True, ["word", "word"])])
async def test_a_signal_that_arrives_twice(wired: Wired, new: bool, words: list[str]) -> None:
    """The server knows the copy by its request id; under another, the workflow sees it twice."""
    twice = wired.wire.duplicate(SIGNAL, signal="word", new=new)
    waiting = await wired.start(Waits.run, "")
    await waiting.signal(Waits.word, "word")
    await waiting.signal(Waits.go)
    assert await waiting.result() == words
    assert [(bite.about.signal, bite.answers) for bite in twice.bitten] == [("word", ("OK", "OK"))]


async def test_a_second_start_under_another_request_id_is_refused(wired: Wired) -> None:
    """The caller hears of the first."""
    twice = wired.wire.duplicate(START, new=True)
    handle = await wired.start(Waits.run, "")
    assert [bite.answers for bite in twice.bitten] == [("OK", "ALREADY_EXISTS")]
    await handle.terminate()


async def test_a_task_that_is_lost_on_its_way_to_the_worker_is_handed_out_again(wired: Wired) -> None:
    """It was begun, as the server sees it: its first attempt times out."""
    polled = wired.wire.lose_response("PollActivityTaskQueue", activity="marks", attempt=1)
    eager = wired.wire.lose_response("RespondWorkflowTaskCompleted", activity="marks", attempt=1)
    assert await wired.mark() == [2]
    assert wired.marks == ["1 2"]
    assert len(polled.bitten) + len(eager.bitten) == 1


async def test_a_delayed_call_waits_and_others_pass(wired: Wired) -> None:
    """A delay of a day holds one workflow's start, and no other's, until the wire is healed."""
    delayed = wired.wire.delay(START, A_DAY, workflow_id="delayed")
    starting = asyncio.create_task(wired.start(Echo.run, "delayed", id="delayed"))
    await eventually(lambda: delayed.bitten, timeout=PATIENCE)
    assert await (await wired.start(Echo.run, "another")).result() == "another"
    assert not starting.done()
    with pytest.raises(RPCError, match="not found"):
        await wired.client.get_workflow_handle("delayed").describe()
    wired.wire.heal()
    assert await (await starting).result() == "delayed"


async def test_a_delayed_call_arrives(wired: Wired) -> None:
    """Later by no less than was told, and well."""
    wired.wire.delay(START, 0.3)
    loop = asyncio.get_running_loop()
    began = loop.time()
    handle = await wired.start(Echo.run, "later")
    assert loop.time() - began >= 0.3
    assert await handle.result() == "later"


async def test_a_rule_leaves_others_alone(wired: Wired) -> None:
    """Another workflow, activity, attempt, signal."""
    wire = wired.wire
    wire.lose_request(COMPLETED, activity="answers", times=None)
    wire.lose_request(COMPLETED, activity="marks", attempt=2, times=None)
    wire.lose_request(COMPLETED, prefix="other-", times=None)
    wire.lose_request(START, workflow_id="another", times=None)
    wire.lose_request(SIGNAL, signal="word", times=None)
    assert await wired.mark() == [1]
    waiting = await wired.start(Waits.run, "")
    await waiting.signal(Waits.go)
    await waiting.result()
    assert wire.bitten == []


async def test_rules_bite_as_often_as_they_may_the_first_one_first(wired: Wired) -> None:
    """What is left of a call's rules when the first has bitten is for the next call."""
    first = wired.wire.duplicate(SIGNAL, new=True, times=2)
    second = wired.wire.duplicate(SIGNAL, new=True)
    waiting = await wired.start(Waits.run, "")
    for word in "abcd":
        await waiting.signal(Waits.word, word)
    await waiting.signal(Waits.go)
    assert await waiting.result() == list("aabbccd")
    assert (len(first.bitten), len(second.bitten)) == (2, 1)
    assert wired.wire.bitten == first.bitten + second.bitten


@pytest.mark.parametrize(
    ("rpc", "choice", "said"),
    [
        ("StartWorkflow", {}, "Did you mean 'StartWorkflowExecution'"),
        (START, {"activity": "marks"}, "says nothing of activity"),
        (COMPLETED, {"signal": "word"}, "says nothing of signal"),
        ("PollActivityTaskQueue", {"attempt": 1}, "says nothing of attempt"),
        ("DescribeNamespace", {"prefix": "a"}, "says nothing of workflow_id"),
    ],
)
async def test_a_rule_that_could_never_bite_is_refused(wire: Wire, rpc: str, choice: Any, said: str) -> None:
    """An RPC there is not, or one that does not tell what is asked for."""
    with pytest.raises((UnknownName, ValueError), match=said):
        wire.lose_request(rpc, **choice)


async def test_a_copy_cannot_be_newer_than_its_call(wire: Wire) -> None:
    """Where the server knows no request ids, every copy is new."""
    with pytest.raises(ValueError, match="no request id"):
        wire.duplicate(COMPLETED, new=True)


@dataclass
class Met:
    """A server that tells what reached it: one method that answers, one that fails, one that never ends."""

    address: str = ""
    calls: list[tuple[bytes, dict[str, str | bytes], float | None]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    async def serve(self, method: str, request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        self.calls.append((request, dict(context.invocation_metadata() or ()), context.time_remaining()))
        await context.send_initial_metadata([("first", "word")])
        if method == "/any/Fails":
            await context.abort(grpc.StatusCode.DATA_LOSS, "no data", (("why-bin", b"\0\xff"), ("last", "word")))
        if method == "/any/NeverEnds":
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.append(method)
        context.set_trailing_metadata([("last", "word")])
        return request[::-1]


class Everything(grpc.GenericRpcHandler):
    def __init__(self, met: Met) -> None:
        self.met = met

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        return grpc.unary_unary_rpc_method_handler(partial(self.met.serve, handler_call_details.method))


@dataclass
class Beyond:
    """That server, and calls to it by a wire."""

    met: Met
    channel: grpc.aio.Channel

    def call(self, method: str, request: bytes = b"", **options: Any) -> "grpc.aio.UnaryUnaryCall[bytes, bytes]":
        calling: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(f"/any/{method}")
        return calling(request, **options)


@pytest.fixture
async def met() -> AsyncIterator[Met]:
    met = Met()
    server = grpc.aio.server(handlers=[Everything(met)])
    met.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield met
    await server.stop(None)


@pytest.fixture
async def beyond(met: Met) -> AsyncIterator[Beyond]:
    async with Wire.to(met.address) as wire, grpc.aio.insecure_channel(wire.address) as channel:
        yield Beyond(met, channel)


async def test_metadata_and_deadline_pass(beyond: Beyond) -> None:
    """Texts and bytes, both ways; how long the caller waits; and the message, which is none of Temporal's, as it is."""
    call = beyond.call("Answers", b"abc", metadata=[("name", "value"), ("some-bin", b"\xff\0")], timeout=A_DAY)
    assert await call == b"cba"
    assert (await call.initial_metadata())["first"] == "word"
    assert (await call.trailing_metadata())["last"] == "word"
    ((request, metadata, remaining),) = beyond.met.calls
    assert request == b"abc"
    assert (metadata["name"], metadata["some-bin"]) == ("value", b"\xff\0")
    assert remaining is not None
    assert A_DAY / 2 < remaining < A_DAY * 2  # a timeout is rounded on its way


async def test_without_a_deadline_there_is_none(beyond: Beyond) -> None:
    """The wire has no patience of its own."""
    await beyond.call("Answers")
    assert [remaining for _, _, remaining in beyond.met.calls] == [None]


async def test_a_failure_passes_whole(beyond: Beyond) -> None:
    """Status, details, and trailing metadata."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await beyond.call("Fails")
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.DATA_LOSS, "no data")
    trailing = caught.value.trailing_metadata()
    assert (trailing["why-bin"], trailing["last"]) == (b"\0\xff", "word")


async def test_a_deadline_that_passes_releases_the_server(beyond: Beyond) -> None:
    """It works no longer for a caller who is gone."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await beyond.call("NeverEnds", timeout=1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await eventually(lambda: beyond.met.ended, timeout=PATIENCE)


async def test_a_cancellation_passes(beyond: Beyond) -> None:
    """A caller who gives up releases the server."""
    call = beyond.call("NeverEnds")
    await eventually(lambda: beyond.met.calls, timeout=PATIENCE)
    assert not beyond.met.ended
    call.cancel()
    await eventually(lambda: beyond.met.ended, timeout=PATIENCE)


async def test_a_server_that_is_away_is_unavailable() -> None:
    """At once, as it would be without a wire."""
    async with Wire.to("127.0.0.1:1") as wire, grpc.aio.insecure_channel(wire.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Beyond(Met(), channel).call("Answers")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_stopped_wire_releases_all_and_says_so(met: Met) -> None:
    """Those who wait are told, the server works no longer for them, and nobody listens."""
    async with Wire.to(met.address) as wire:
        channel = grpc.aio.insecure_channel(wire.address)
        calls = [Beyond(met, channel).call("NeverEnds") for _ in range(3)]
        await eventually(lambda: len(met.calls) == 3, timeout=PATIENCE)
    assert [await call.details() for call in calls] == ["the wire is stopped"] * 3
    assert {await call.code() for call in calls} == {grpc.StatusCode.UNAVAILABLE}
    await eventually(lambda: len(met.ended) == 3, timeout=PATIENCE)
    await channel.close()
    host, port = wire.address.split(":")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))


async def test_a_stopped_wire_leaves_no_task(temporal_address: str, tmp_path: Path) -> None:
    """Long polls, a worker's that has shut down and a client's that has not, hold nothing up."""
    before = asyncio.all_tasks()

    def left() -> list[str]:
        gc.collect()  # what nobody holds any more is no task that was left
        return [str(task) for task in asyncio.all_tasks() - before if task is not asyncio.current_task()]

    async with Wire.to(temporal_address) as wire:
        client = await Client.connect(wire.address)
        async with small_worker(wire.address) as worker:
            wired = Wired(wire, client, worker.task_queue, tmp_path / "marks")
            assert await wired.mark() == [1]
            waiting = await wired.start(Waits.run, "")
        polling = asyncio.create_task(waiting.result())
    polling.cancel()
    with suppress(AssertionError):
        await eventually(lambda: not left(), timeout=PATIENCE)
    assert left() == []
    direct = await Client.connect(temporal_address)
    await direct.get_workflow_handle(waiting.id).terminate()
