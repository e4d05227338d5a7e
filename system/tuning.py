"""How much one worker takes on, and how it polls."""

from __future__ import annotations

import functools
import hashlib
from datetime import timedelta
from pathlib import Path

from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import (
    FixedSizeSlotSupplier,
    PollerBehaviorAutoscaling,
    ResourceBasedSlotConfig,
    ResourceBasedSlotSupplier,
    ResourceBasedTunerConfig,
    WorkerDeploymentConfig,
    WorkerTuner,
)

from system.errors import SettingsError
from system.settings import Settings

WORKFLOW_TASKS = 50
"""Workflow tasks at once. They are short, and share one interpreter: more would only wait for it."""
STICKY = timedelta(seconds=1)
"""How long a workflow task waits for the worker that has the workflow cached. Where that one was killed, work goes on
after 6 s rather than 15 s with the SDK's own 10 s; where it is only busy, another worker replays the history."""
HEARTBEATS = timedelta(seconds=1)
"""Heartbeats are held back no longer than this: cancellation reaches an activity with the answer to one."""
POLLS = PollerBehaviorAutoscaling(minimum=2, initial=4, maximum=16)
"""Long polls open at once, of each kind, as the server's answers suggest. A namespace has 1,200 for a frontend."""

BEHAVIOURS = {"pinned": VersioningBehavior.PINNED, "auto-upgrade": VersioningBehavior.AUTO_UPGRADE}


def tuner(settings: Settings) -> WorkerTuner:
    """Activity slots that follow memory and processor, between the least and the most of the settings."""
    resources = ResourceBasedTunerConfig(settings.memory_target, settings.cpu_target)
    slots = ResourceBasedSlotConfig(minimum_slots=settings.min_activities, maximum_slots=settings.max_activities)
    return WorkerTuner.create_composite(
        workflow_supplier=FixedSizeSlotSupplier(WORKFLOW_TASKS),
        activity_supplier=ResourceBasedSlotSupplier(slots, resources),
        local_activity_supplier=FixedSizeSlotSupplier(settings.max_activities),
        nexus_supplier=FixedSizeSlotSupplier(1),
    )


def deployment(settings: Settings) -> WorkerDeploymentConfig | None:
    """Versioning, where the settings name a deployment and a build.

    By ``VERSIONING`` a workflow stays with the build it began on, or moves on to the one that is current; what it did
    must replay there: see ``workflow.patched``. It is said for all workflows of a worker at once, because a type that
    says so itself cannot run on a worker that is not versioned: the server refuses its tasks.
    """
    if settings.deployment is None:
        return None
    if settings.build_id is None:
        raise SettingsError(
            "DEPLOYMENT is set and BUILD_ID is not: expected the id of this build too, or neither for a worker without "
            "versions"
        )
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=settings.deployment, build_id=settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=BEHAVIOURS[settings.versioning],
    )


def build_id(settings: Settings) -> str | None:
    """What the histories name this code by, where no deployment does: a digest of the system's sources.

    The SDK's own is made of whatever happens to be imported by then: another one with every import that is put off,
    and a tenth of the start-up.
    """
    return None if settings.deployment is not None else _digest_of_sources()


@functools.cache
def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
