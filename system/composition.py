"""Puts the activities of every domain together with what they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client

from system.breaker import Breakers
from system.cache.cache import Cache
from system.control.activities import ControlActivities
from system.dead_letters.activities import DeadLetterActivities
from system.orders.activities import OrderActivities
from system.orders.models import SETTLE
from system.orders.providers import Http, Provider
from system.orders.redrive import asking_again
from system.pipeline.activities import PipelineActivities
from system.pipeline.summaries import Summaries
from system.pipeline.unfinished import ended_at
from system.scheduling.activities import SchedulingActivities
from system.settings import Settings
from system.storage.pool import Pool
from system.tasks.activities import TaskActivities
from system.tasks.models import RUN
from system.tasks.reach import Reach
from system.tasks.redrive import redriver


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a worker has open."""

    settings: Settings
    database: Pool
    client: Client
    http: Http
    cache: Cache
    breakers: Breakers


def activities(resources: Resources) -> list[Callable[..., Any]]:
    """Every activity of the system, as a worker takes them."""
    settings, database = resources.settings, resources.database
    payment = Provider("payment", settings.payment_url, resources.http, resources.breakers)
    shipping = Provider("shipping", settings.shipping_url, resources.http, resources.breakers)
    summaries = Summaries(database, resources.cache)
    redrivers = {RUN: redriver(database), SETTLE: asking_again(database, settings.task_queue)}
    return [
        *ControlActivities(database, resources.client).all,
        *DeadLetterActivities(database, resources.client, settings.task_queue, redrivers).all,
        *OrderActivities(database, payment, shipping).all,
        *PipelineActivities(database, settings.work_directory, resources.cache, ended_at(resources.client)).all,
        *SchedulingActivities(database, resources.client, {"datasets": summaries.warm}).all,
        *TaskActivities(database, summaries, Reach(files=settings.task_files, hosts=settings.task_hosts)).all,
    ]
