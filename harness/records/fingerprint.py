"""Under what conditions a run took place: machine, versions, servers, links, commit."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from msgspec import Struct

CPUINFO = Path("/proc/cpuinfo")
MODEL = {
    "model name": "",
    "CPU implementer": "implementer ",
    "CPU part": "part ",
    "cpu family": "family ",
    "model": "model ",
}
"""What tells processors apart, and how it reads: of a name such as "Intel Xeon Processor" there are many."""
PACKAGES = ("temporalio", "asyncpg", "redis", "toxiproxy-python", "temper-harness")


class ServiceInfo(Struct, frozen=True, kw_only=True):
    """One service of a run's stack."""

    name: str
    provider: str
    version: str
    address: str
    flags: tuple[str, ...] = ()
    """Server flags that bear on its speed or its durability."""
    startup: float | None = None
    """Seconds from spawn until it really answered; None for an external one."""
    ui: str = ""
    """Where its web UI shows what is in the run's namespace; empty where that is not known."""


class Fingerprint(Struct, frozen=True, kw_only=True):
    """What must be the same for two runs to be compared."""

    machine: str
    cpu: str = ""
    """The model of its processor; empty where the system does not tell."""
    system: str
    cores: int
    memory: int
    """Bytes."""
    python: str
    packages: dict[str, str]
    commit: str
    """Git commit of the working directory, with + if it has changes; empty outside a repository."""
    services: tuple[ServiceInfo, ...] = ()
    links: tuple[str, ...] = ()
    """Each link that was routed through a proxy of its own; empty where the run went direct."""
    workers: int = 0
    caveats: tuple[str, ...] = ()
    """What a reader must not conclude from these figures."""

    @classmethod
    def of_machine(cls, **beside: object) -> "Fingerprint":
        """The fingerprint of this machine and this working directory, with what the run adds to it."""
        return cls(
            machine=platform.machine(),
            cpu=cpu_of(CPUINFO.read_text(encoding="utf-8")) if CPUINFO.exists() else "",
            system=f"{platform.system()} {platform.release()}",
            cores=os.cpu_count() or 0,
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            python=platform.python_version(),
            packages={name: version for name in PACKAGES if (version := _version(name))},
            commit=_commit(Path.cwd()),
            **beside,  # type: ignore[arg-type]  # checked by the struct itself
        )


def cpu_of(cpuinfo: str) -> str:
    """The model of the first processor, as Linux tells of it."""
    pairs = (line.partition(":") for line in cpuinfo.partition("\n\n")[0].splitlines())
    told = {name.strip(): value.strip() for name, _, value in pairs}
    return ", ".join(f"{words}{told[name]}" for name, words in MODEL.items() if told.get(name))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit(directory: Path) -> str:
    try:
        head = _git(directory, "rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git(directory, "status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(directory: Path, *arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], cwd=directory, capture_output=True, text=True, check=True, timeout=10)
    return answer.stdout.strip()
