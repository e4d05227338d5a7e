"""A process of the target's own, such as a fake of the outside world or an API server, run beside the workers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from harness.services import web
from harness.services.process import NotReady, Process, listens
from harness.services.service import EmbeddedService, Identity, Kind, accepts
from harness.templates import fill, fill_each, fill_values, placeholders

FIELDS = ("address", "host", "port", "url")
"""What templates can name of every service, as "{outside.url}"."""
SURROUNDINGS = ("python", "workspace", "target.directory")
"""What the templates of a process can name beside addresses: its own, and those of the stack's services."""


@dataclass(frozen=True, kw_only=True)
class CommandSpec:
    """How a process of the target's own is run, and when it is ready.

    It is ready when `ready` answers 200 or, where there is none, when it listens at its address.
    """

    command: Sequence[str]
    ready: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path


def kind_of(name: str, spec: CommandSpec, *, default_port: int = 80) -> Kind:
    """The kind of service that such a process is; as far as its URL goes, it speaks HTTP."""

    async def identify(url: str) -> Identity:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or default_port
        own = {"address": f"{host}:{port}", "host": host, "port": str(port), "url": url}
        if spec.ready:
            await _answers(fill(spec.ready, {f"{name}.{key}": value for key, value in own.items()}))
        else:
            await accepts(host, port)
        return Identity(version="")

    return Kind(
        name=name,
        url_form="http://{address}",
        schemes=("http", "https"),
        default_port=default_port,
        identify=identify,
    )


async def _answers(page: str) -> None:
    """Return if the page answers 200; raises NotReady otherwise."""
    status, _ = await web.get(page)
    if status != 200:
        raise NotReady(f"{page} answered {status}")


class CommandService(EmbeddedService):
    """A process of the target's own, on a port that is free or asked for.

    Where it names addresses of the stack's services it starts once those stand: `known` then gives them.
    """

    def __init__(
        self, name: str, spec: CommandSpec, known: Callable[[], Mapping[str, str]], *, port: int | None = None
    ) -> None:
        super().__init__(kind_of(name, spec), port=port)
        self._spec = spec
        self._known = known

    @property
    def waits_for_services(self) -> bool:
        """Whether it is told where other services are, which must stand first."""
        own = {*SURROUNDINGS, *(f"{self.name}.{each}" for each in FIELDS)}
        templates = [*self._spec.command, *self._spec.environment.values()]
        return any(each not in own for template in templates for each in placeholders(template))

    async def prepare(self) -> None:
        """Whatever it is made of is the target's business."""

    def build(self, log_path: Path) -> Process:
        """The command, filled in; raises UnknownName for a placeholder that is not known."""
        known = {
            **self._known(),
            **{f"{self.name}.{key}": value for key, value in self.fields_at(self.address).items()},
            "python": sys.executable,
            "workspace": str(self.site.data),
            "target.directory": str(self._spec.directory),
        }
        return Launched(
            self.name,
            fill_each(self._spec.command, known),
            env=fill_values(self._spec.environment, known),
            cwd=self._spec.directory,
            log_path=log_path,
        )


class Launched(Process):
    """A command, which may itself be a launcher such as `npm start`: it listens where any of its children do."""

    def listens_on(self, port: int) -> bool:
        """Whether it or one that came from it listens on the TCP port."""
        if super().listens_on(port):
            return True
        try:
            children = psutil.Process(self.pid).children(recursive=True)
        except psutil.Error:
            return False
        return any(_listens(child, port) for child in children)


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        return listens(process, port)
    except psutil.Error:
        return False
