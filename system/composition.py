"""Puts the activities of every domain together with what they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client

from system.pipeline.activities import PipelineActivities
from system.settings import Settings
from system.storage.pool import Pool


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a worker has open."""

    settings: Settings
    database: Pool
    client: Client


def activities(resources: Resources) -> list[Callable[..., Any]]:
    """Every activity of the system, as a worker takes them."""
    settings, database = resources.settings, resources.database
    return [
        *PipelineActivities(database, settings.work_directory).all,
    ]
