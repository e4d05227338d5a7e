"""The pytest plugin for Temporal: an environment for each test, deadlines, and checks after it.

    @pytest.mark.temporal(skip_time=True)
    async def test_an_order_is_paid(temporal: Temporal) -> None:
        async with temporal.worker(workflows=[Order], activities=[charge]):
            assert await temporal.run(Order.run, "shop-1") == "paid"

After each such test, unless it says otherwise: no workflow task failed for a bad cause, every history replays, its
commands compared with their arguments, timeouts and results, no signal was lost at continue-as-new, and no workflow
that was told to cancel went on with its work and completed. One line breaks what a test wants broken, and is checked
to have done so:

    temporal.faults.at("charge", attempt=1).after_commit()
    (await temporal.wire()).lose_response("RespondActivityTaskCompleted", activity="charge", attempt=1)
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import inspect
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest

from harness.unchecked import UNCHECKED

async_fixture: Callable[..., Any] = pytest.fixture
with suppress(ModuleNotFoundError):  # whoever runs pytest without it must still be able to
    from pytest_asyncio import fixture as async_fixture

if TYPE_CHECKING:
    from temporalio.client import Plugin

    from harness.attempt import Attempt
    from harness.environments import Environment
    from harness.modeltest import Models
    from harness.temporal_test import Temporal
    from harness.watching import Watched

OPTIONS = {"skip_time", "schedules", "visibility", "versioning", "deadline", *UNCHECKED}
MARKER = (
    "temporal(skip_time, schedules, visibility, versioning: bool; deadline: seconds; "
    f"{', '.join(UNCHECKED)}: why they are not checked): what a test needs of Temporal"
)

TEMPORAL: pytest.StashKey[Temporal] = pytest.StashKey()
"""What the fixture made for a test, whatever the test is handed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--temporal`` and the deadline."""
    group = parser.getgroup("temporal", "Temporal")
    group.addoption(
        "--temporal",
        metavar="v1|v2|local|HOST:PORT",
        default=None,
        help="run every test in this environment; each gets what it needs otherwise",
    )
    group.addoption(
        "--temporal-examples",
        metavar="N",
        type=int,
        default=None,
        help="try so many examples of each model test, drawn anew; --hypothesis-seed=SEED draws the same ones again",
    )
    parser.addini("temporal_deadline", "seconds a test with the `temporal` fixture may take (60)", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker. Raises pytest.UsageError for an environment that there is not."""
    config.addinivalue_line("markers", MARKER)
    if forced := config.getoption("--temporal"):
        from harness.environments import choose  # noqa: PLC0415 it needs the SDK
        from harness.errors import UnknownName  # noqa: PLC0415

        try:
            choose(frozenset(), forced)
        except UnknownName as error:
            raise pytest.UsageError(f"--temporal: {error}") from None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse markers that mean nothing before any test runs."""
    for item in items:
        if not isinstance(item, pytest.Function) or not _asks_for_ours(item):
            continue
        _marked(item)
        if async_fixture is pytest.fixture:
            raise pytest.UsageError(
                "The `temporal` fixture needs pytest-asyncio: pip install 'temper-harness[testing]'"
            )


def _asks_for_ours(item: pytest.Function) -> bool:
    """Whether a test's `temporal` is the plugin's, be it by way of a project's own that is made of it."""
    for definition in reversed(item._fixtureinfo.name2fixturedefs.get("temporal", ())):  # noqa: SLF001 - pytest tells it nowhere else
        if definition.func.__module__ == __name__:
            return True
        if "temporal" not in definition.argnames:
            return False
    return False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Give every test with the fixture its deadline and the checks after it."""
    if TEMPORAL not in item.stash or not isinstance(item, pytest.Function):
        return (yield)
    test, item.obj = item.obj, _watched_over(item, item.obj)
    try:
        return (yield)
    finally:
        item.obj = test


def _watched_over(
    item: pytest.Function, test: Callable[..., Coroutine[Any, Any, None]]
) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def watched_over(*positional: Any, **named: Any) -> None:
        temporal: Any = item.stash[TEMPORAL]
        await temporal.watch_over(test(*positional, **named))

    return watched_over


def _marked(item: pytest.Item) -> dict[str, Any]:
    """What the markers say, the nearest winning. Raises pytest.UsageError for what they cannot say."""
    said: dict[str, Any] = {}
    for marker in reversed(list(item.iter_markers("temporal"))):
        unknown = sorted(set(marker.kwargs) - OPTIONS)
        if marker.args or unknown:
            what = f"not {', '.join(unknown)}" if unknown else "by name"
            raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.temporal takes {', '.join(sorted(OPTIONS))}, {what}")
        said |= marker.kwargs
    return said


@pytest.fixture(scope="session")
def temporal_plugins() -> list[Plugin]:
    """Override it with the plugins of your client, which carry its converter, codec and interceptors."""
    return []


@pytest.fixture(scope="session")
def temporal_options() -> dict[str, Any]:
    """Override it with what else your client is connected with: ``data_converter``, ``interceptors``, …"""
    return {}


@pytest.fixture(scope="session")
def temporal_dev_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of the dev server that tests share; it has a loop of its own, for tests' loops come and go."""
    logs = tmp_path_factory.mktemp("temporal")
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve(address: Any) -> None:
        from harness.stack import Stack  # noqa: PLC0415 imported when a test needs it

        try:
            async with Stack.of(["temporal"], log_directory=logs) as stack:
                address.set_result(stack.addresses["temporal.address"])
                await ended.wait()
        except BaseException as error:
            if not address.done():
                address.set_exception(error)
            raise

    address: concurrent.futures.Future[str] = concurrent.futures.Future()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(address)), name="temporal dev server")
    thread.start()
    try:
        yield address.result(timeout=120)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


@async_fixture
async def temporal(request: pytest.FixtureRequest) -> AsyncIterator[Temporal]:
    """An environment that gives what the test's marker asks for."""
    from harness.deadlines import OPENING, within  # noqa: PLC0415 - pytest loads the plugin for tests without Temporal, too
    from harness.temporal_test import DEADLINE, Temporal  # noqa: PLC0415
    from harness.watching import Watched  # noqa: PLC0415

    if not inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        pytest.fail(
            "The `temporal` fixture is for `async def` tests that run once: no others are held to its deadline and "
            "checked. A plain function, or one with @given, asks for `temporal_model` instead (harness.modeltest).",
            pytrace=False,
        )
    said, watched = _marked(request.node), Watched()
    deadline = float(said.get("deadline") or request.config.getini("temporal_deadline") or DEADLINE)
    exits = AsyncExitStack()
    opening = exits.enter_async_context(_opening(request, watched))
    temporal = Temporal(
        await within(opening, OPENING, "The opening of the environment"),
        watched,
        deadline=deadline,
        directory=lambda: request.getfixturevalue("tmp_path"),
        **{name: said[name] for name in UNCHECKED if name in said},
    )
    request.node.stash[TEMPORAL] = temporal
    exits.push_async_callback(temporal.aclose)
    try:
        yield temporal
    finally:
        await within(exits.aclose(), OPENING, "The closing of the environment")


@pytest.fixture
def temporal_attempt(temporal_options: dict[str, Any]) -> Callable[..., Attempt]:
    """Make an attempt that activities can be called by, without a server: see `harness.attempt`."""
    from harness.attempt import Attempt  # noqa: PLC0415 - it needs the SDK

    converter = temporal_options.get("data_converter")
    return functools.partial(Attempt, **{"converter": converter} if converter else {})


@pytest.fixture
def temporal_model(request: pytest.FixtureRequest) -> Iterator[Models]:
    """What runs model tests, in an environment that gives what the test's marker asks for; needs Hypothesis."""
    from harness import modeltest  # noqa: PLC0415 - it needs Hypothesis
    from harness.loop_thread import LoopThread  # noqa: PLC0415
    from harness.watching import Watched  # noqa: PLC0415

    said, watched = _marked(request.node), Watched()
    deadline = float(said.get("deadline") or modeltest.DEADLINE)
    with LoopThread("temporal models") as loop:
        models = modeltest.Models(
            loop,
            functools.partial(_opening, request, watched),
            watched,
            deadline=deadline,
            examples=request.config.getoption("--temporal-examples"),
            marks=said,
            show=functools.partial(request.node.add_report_section, "call", "minimal script"),
        )
        yield models
        models.close()


def _opening(request: pytest.FixtureRequest, watched: Watched) -> AbstractAsyncContextManager[Environment]:
    from harness.environments import (  # noqa: I001, PLC0415 - it needs the SDK
        GUARANTEES, LOCAL, V1, V2, choose, existing, fresh_v1, fresh_v2, own_namespace,
    )  # fmt: skip
    from harness.watching import Watch  # noqa: PLC0415 - it needs the SDK

    said = _marked(request.node)
    forced = request.config.getoption("--temporal")
    kind = choose(frozenset(name for name in GUARANTEES if said.get(name)), forced)
    plugins = [*request.getfixturevalue("temporal_plugins"), Watch(watched)]
    options = request.getfixturevalue("temporal_options")
    if kind is V1:
        return fresh_v1(plugins, **options)
    if kind is V2:
        return fresh_v2(plugins, **options)
    if kind is LOCAL:
        return own_namespace(request.getfixturevalue("temporal_dev_server"), plugins, **options)
    return existing(forced, plugins, **options)
