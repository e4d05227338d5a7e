"""What comes before everything else on a testbed: what templates can name, the target's build and its migration."""

import os
import shlex
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.records.run import Run
from harness.services.process import Process, to_its_end
from harness.stack import Stack
from harness.target import Target
from harness.templates import fill_each, fill_values

BUILD_SECONDS = 900.0
"""The first build of a worker may download and compile all that it is made of."""
MIGRATE_SECONDS = 120.0
NO_WORKER = {"worker.health": "", "worker.metrics": ""}
"""What is no worker listens at no such address."""


def known_to(target: Target, addresses: Mapping[str, str], workspace: Path) -> dict[str, str]:
    """What the templates of temper.toml can name, beside what each worker has of its own."""
    return {
        **addresses,
        "python": sys.executable,
        "target.directory": str(target.directory),
        "workspace": str(workspace),
        "worker.task_queue": target.file.task_queue,
        "worker.namespace": target.file.namespace,
    }


async def build(target: Target, run: Run, notify: Callable[[str], None]) -> None:
    """Run the target's build, if it has one. Raises ServiceFailed."""
    if target.file.build is None:
        return
    command = fill_each(target.file.build, {"python": sys.executable, "target.directory": str(target.directory)})
    notify(f"building: {shlex.join(command)}")
    # A compiler may have come as a package, beside this interpreter.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), sysconfig.get_path("scripts")])
    log = run.logs / "build.log"
    process = Process("build", command, env={"PATH": path}, cwd=target.directory, log_path=log)
    await to_its_end(process, BUILD_SECONDS)


async def migrate(target: Target, stack: Stack, run: Run) -> None:
    """Bring an empty database up to date, if the target says how. Raises ServiceFailed."""
    if target.file.migrate is None:
        return
    known = known_to(target, stack.addresses, stack.directory) | {"worker.name": "migrate", **NO_WORKER}
    process = Process(
        "migrate",
        fill_each(target.file.migrate, known),
        env=fill_values(target.file.environment, known),
        cwd=target.directory,
        log_path=run.logs / "migrate.log",
    )
    await to_its_end(process, MIGRATE_SECONDS)
