"""A project that knows nothing of this one, and how its tests are run."""

import pytest

WORKFLOWS = '''
import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel


QUICK = {"start_to_close_timeout": timedelta(seconds=10)}


class Invoice(BaseModel):
    customer: str
    cents: int


@dataclass
class Parcel:
    to: str


@activity.defn
async def charge(invoice: Invoice) -> str:
    return f"{invoice.customer} paid {invoice.cents}"


class Carrier:
    """Activities that are methods, and no coroutines."""

    def __init__(self, name: str) -> None:
        self.name = name

    @activity.defn
    def send(self, parcel: Parcel) -> str:
        return f"{self.name} to {parcel.to}"


@workflow.defn
class Shipment:
    @workflow.run
    async def run(self, parcel: Parcel) -> str:
        return await workflow.execute_activity_method(
            Carrier.send, parcel, start_to_close_timeout=timedelta(seconds=10)
        )


@workflow.defn
class Order:
    def __init__(self) -> None:
        self.approved = False

    @workflow.run
    async def run(self, invoice: Invoice) -> str:
        await workflow.wait_condition(lambda: self.approved, timeout=timedelta(days=30))
        paid = await workflow.execute_activity(charge, invoice, start_to_close_timeout=timedelta(seconds=10))
        sent = await workflow.execute_child_workflow(Shipment.run, Parcel(to=invoice.customer))
        return f"{paid}; {sent}"

    @workflow.update
    async def approve(self) -> str:
        await workflow.sleep(timedelta(hours=1))
        self.approved = True
        return "approved"


@workflow.defn
class Pause:
    @workflow.run
    async def run(self, days: float) -> str:
        await workflow.sleep(timedelta(days=days))
        return await workflow.execute_activity(charge, Invoice(customer="x", cents=1), **QUICK)


@activity.defn
async def stumble(failures: int) -> int:
    attempt = activity.info().attempt
    if attempt <= failures:
        raise RuntimeError("stumbled")
    return attempt


@workflow.defn
class Retrying:
    @workflow.run
    async def run(self, failures: list[int], seconds: float = 10) -> list[int]:
        how = {
            "retry_policy": RetryPolicy(initial_interval=timedelta(hours=1), backoff_coefficient=2),
            "start_to_close_timeout": timedelta(seconds=seconds),
        }
        return [await workflow.execute_activity(stumble, each, **how) for each in failures]


@workflow.defn
class Stuck:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


@workflow.defn
class Counting:
    def __init__(self) -> None:
        self.count, self.finished = 0, False

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.finished)
        return self.count

    @workflow.update
    async def add(self) -> int:
        self.count += 1
        return self.count

    @workflow.signal
    def finish(self) -> None:
        self.finished = True


starts = 0


@workflow.defn(sandboxed=False)
class Unsteady:
    """Says something else each time it runs; Temporal's own replay finds nothing."""

    @workflow.run
    async def run(self) -> str:
        global starts
        starts += 1
        return await workflow.execute_activity(charge, Invoice(customer="x", cents=starts), **QUICK)


failures = 0


@workflow.defn(sandboxed=False)
class Stumbling:
    """Its first workflow task fails, and it ends well all the same."""

    @workflow.run
    async def run(self) -> str:
        global failures
        failures += 1
        if failures == 1:
            raise RuntimeError("stumbled")
        return "well"
'''

CONFTEST = """
import pytest
from temporalio.contrib.pydantic import pydantic_data_converter


@pytest.fixture(scope="session")
def temporal_options():
    return {"data_converter": pydantic_data_converter}
"""

HEAD = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest
from temporalio.client import Client, Plugin
from temporalio.worker import Worker
from theirs import *

skips = pytest.mark.temporal(skip_time=True)
INVOICE = Invoice(customer="ann", cents=100)
"""


def settle(pytester: pytest.Pytester) -> None:
    """Make it a project with workflows of its own."""
    pytester.makepyfile(theirs=WORKFLOWS)
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")


def run(pytester: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    """Run these tests of the project's, in a process of their own."""
    settle(pytester)
    pytester.makepyfile(test_theirs=HEAD + tests)
    return pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider", *options, timeout=100)
