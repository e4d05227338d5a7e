"""A load for which `locust` itself was called, on services that stand already: its plan, and its judgement."""

import asyncio
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness.errors import CannotRun
from harness.options import allow_external, pairs_of, without_passwords
from harness.records.run import Run
from harness.stack import Stack
from harness.target import Target
from harness.testbed import Testbed, Wanted
from loadtests.hosted import ANY_WISH, Plan
from loadtests.hosting import take_in
from loadtests.load import BACKLOG_SECONDS

RESULTS = Path("results")


def plan_standing(target: Path, temporal: str, options: Any) -> Plan:
    """Make a run, and the plan of its load, for a Temporal at this address and what the command line says.

    Raises CannotRun, also without a cap on the rate and a typed yes: none of this was started here.
    """
    read, wish = Target.read(target), ANY_WISH.told(options)
    if not temporal:
        raise CannotRun("Where Temporal is was not said.", remedy="Example: --host 127.0.0.1:7233")
    allow_external(wish.highest(wish.load(read)), options.rate_cap, yes=options.yes)
    external = {"temporal": temporal, **pairs_of(options.external.split())}
    missing = {*read.file.services, *read.processes} - set(external)
    if missing:
        raise CannotRun(
            f"{read.file.name} needs {', '.join(sorted(missing))} too.",
            remedy=f"Say where: --external {' '.join(f'{name}=ADDRESS' for name in sorted(missing))}",
        )
    stack = Stack.of(
        read.file.services, log_directory=RESULTS, external=external, namespace=read.file.namespace,
        processes=read.processes,
    )  # fmt: skip
    command = shlex.join(without_passwords(["locust", *sys.argv[1:]]))
    made = Run.create(
        RESULTS, kind="load", title=options.mix, target=read.file.name, seed=options.seed, command=command
    )
    return Plan(
        run=made.info.id,
        directory=str(made.directory.absolute()),
        seed=options.seed,
        target=str(read.path),
        task_queue=read.file.task_queue,
        addresses=stack.addresses,
        workspace=tempfile.gettempdir(),
        wish=wish,
        external=external,
        rate_cap=options.rate_cap,
    )


def judge(plan: Plan) -> int:
    """Observe and judge what was driven, write the report, put it to the gate; returns what Locust is to exit with.

    In processes of its own: Locust has patched this one.
    """
    environment = {**os.environ, **plan.environment}
    code = 0
    for words in ("loadtests.standing",), ("temper", "report", plan.directory), ("temper", "gate", plan.directory):
        code = code or subprocess.run([sys.executable, "-m", *words], env=environment, check=False).returncode
    return code


async def _conclude(plan: Plan) -> None:
    target, run = Target.read(Path(plan.target)), Run.joined(plan.path)
    async with Testbed.standing(target, run, Wanted(external=plan.external)) as bed:
        take_in(bed)
        await bed.quiesce(BACKLOG_SECONDS)
        await bed.conclude()
    run.end()


if __name__ == "__main__":
    given = Plan.given()
    assert given is not None
    asyncio.run(_conclude(given))
    sys.stdout.flush()
    os._exit(0)
