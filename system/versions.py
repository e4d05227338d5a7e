"""The ``version`` command: says which build new workflows start on, and which builds are still needed."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio.api.enums.v1 import VersionDrainageStatus, WorkerDeploymentVersionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentResponse,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from system.connection import connect
from system.errors import InputError, SettingsError, Unavailable
from system.settings import Settings

DONE = 0
ANSWER_WITHIN = timedelta(seconds=10)

Act = Callable[[Client, str, argparse.Namespace], Awaitable[None]]


def add(group: argparse.ArgumentParser, debug: argparse.ArgumentParser) -> None:
    """Add ``current``, ``ramp`` and ``show``."""
    commands = group.add_subparsers(required=True, metavar="COMMAND")
    current = commands.add_parser(
        "current",
        parents=[debug],
        help="start new workflows on this build, and move those over that may move",
        epilog="example: DEPLOYMENT=system python -m system version current 1.4.2",
    )
    current.add_argument("build", metavar="BUILD_ID")
    current.set_defaults(run=_command(set_current))
    ramp = commands.add_parser(
        "ramp",
        parents=[debug],
        help="start a share of the new workflows on this build",
        epilog="example: DEPLOYMENT=system python -m system version ramp 1.4.3 5",
    )
    ramp.add_argument("build", metavar="BUILD_ID")
    ramp.add_argument("percentage", type=_percentage, metavar="PERCENT", help="0 to 100; 0 ends the ramp")
    ramp.set_defaults(run=_command(set_ramping))
    show = commands.add_parser(
        "show",
        parents=[debug],
        help="show the builds, and whether workflows still run on them",
        epilog="example: DEPLOYMENT=system python -m system version show",
    )
    show.set_defaults(run=_command(show_builds))


async def set_current(client: Client, deployment: str, options: argparse.Namespace) -> None:
    """New workflows start on this build; pinned ones stay where they are."""
    await client.workflow_service.set_worker_deployment_current_version(
        SetWorkerDeploymentCurrentVersionRequest(
            namespace=client.namespace, deployment_name=deployment, build_id=options.build, identity=client.identity
        ),
        timeout=ANSWER_WITHIN,
    )
    _say(f"new workflows start on {deployment} {options.build}")


async def set_ramping(client: Client, deployment: str, options: argparse.Namespace) -> None:
    """A share of the new workflows starts on this build."""
    await client.workflow_service.set_worker_deployment_ramping_version(
        SetWorkerDeploymentRampingVersionRequest(
            namespace=client.namespace,
            deployment_name=deployment,
            build_id=options.build if options.percentage else "",
            percentage=options.percentage,
            identity=client.identity,
        ),
        timeout=ANSWER_WITHIN,
    )
    _say(f"{options.percentage:g} % of the new workflows start on {deployment} {options.build}")


async def show_builds(client: Client, deployment: str, _: argparse.Namespace) -> None:
    """Say of each build what it is to the deployment, and whether it may be taken down."""
    answer: DescribeWorkerDeploymentResponse = await client.workflow_service.describe_worker_deployment(
        DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment), timeout=ANSWER_WITHIN
    )
    for one in answer.worker_deployment_info.version_summaries:
        status = WorkerDeploymentVersionStatus.Name(one.status).removeprefix("WORKER_DEPLOYMENT_VERSION_STATUS_")
        drained = one.drainage_info.status == VersionDrainageStatus.VERSION_DRAINAGE_STATUS_DRAINED
        _say(f"{one.deployment_version.build_id}\t{status.lower()}" + ("\tmay be taken down" if drained else ""))


def _command(act: Act) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        settings = Settings.from_environment()
        if settings.deployment is None:
            raise SettingsError("DEPLOYMENT is not set: expected the name of the Worker Deployment, and a BUILD_ID")
        asyncio.run(_act(act, settings, settings.deployment, options))
        return DONE

    return run


async def _act(act: Act, settings: Settings, deployment: str, options: argparse.Namespace) -> None:
    client = await connect(settings)
    try:
        await act(client, deployment, options)
    except RPCError as error:
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.INVALID_ARGUMENT):
            raise InputError(
                f"{deployment}: {error.message}; is a worker with this DEPLOYMENT and BUILD_ID running?"
            ) from error
        raise Unavailable(f"Temporal at {settings.temporal_address}: {error.message}") from error


def _percentage(text: str) -> float:
    try:
        percentage = float(text)
    except ValueError:
        percentage = -1
    if not 0 <= percentage <= 100:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 0 to 100")
    return percentage


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
