"""Faults of services are planned by their kinds, and refused where the service is not ours."""

from pathlib import Path
from typing import get_args

import msgspec
import pytest
from small_target import small_target, standing

from chaos.catalogue import AnyFault
from chaos.experiment import BadExperiment, read
from chaos.faults.postgres import PostgresFault, PostgresLockedPlan
from chaos.faults.redis import RedisFault
from chaos.faults.services import ServicePlan
from chaos.faults.temporal import TemporalFault
from harness.errors import CannotRun, UnknownName
from harness.stack import Stack

PLANS: list[type[ServicePlan]] = [*get_args(TemporalFault), *get_args(PostgresFault), *get_args(RedisFault)]


def planned(plan: type[ServicePlan]) -> ServicePlan:
    """One of this kind, for a second."""
    if issubclass(plan, PostgresLockedPlan):
        return plan(at=0, duration=1, table="orders")
    return plan(at=0, duration=1)


@pytest.mark.parametrize("plan", PLANS)
def test_each_kind_is_read_as_experiments_write_it(plan: type[ServicePlan]) -> None:
    """A kind is named for what it breaks, and is read back as it was written."""
    made = planned(plan)
    assert made.kind.startswith(f"{made.on}_")
    assert made.needs == {made.on}
    assert msgspec.convert(msgspec.to_builtins(made), AnyFault) == made
    assert made.needs_persistence == (made.kind == "temporal_killed")


@pytest.mark.parametrize("table", ["", "sales.", "a.b.c"])
def test_what_is_no_name_of_a_table_is_refused(tmp_path: Path, table: str) -> None:
    """An experiment that would lock it cannot be read."""
    file = tmp_path / "lock.toml"
    file.write_text(
        'name = "lock"\ntitle = ""\nexpect = ""\n'
        '[load]\nscenarios = ["small-echo"]\nrate = 1\nduration = 10\n'
        f'[[fault]]\nkind = "postgres_locked"\ntable = "{table}"\nat = 2\nfor = 1\n'
    )
    with pytest.raises(BadExperiment, match=rf"table is '{table}'; expected a name, or schema\.name"):
        read(file)


async def test_what_was_not_started_is_not_broken(stack: Stack, tmp_path: Path) -> None:
    """A server that somebody else runs is refused, and one that is not there is told."""
    target = small_target(services=["temporal", "postgres"])
    async with standing(target, stack, tmp_path) as bed:
        for plan in (planned(each) for each in PLANS):
            if plan.on == "redis":
                with pytest.raises(UnknownName, match="no service in this stack 'redis'"):
                    plan.fault(bed)
            else:
                with pytest.raises(CannotRun, match=rf"Chaos breaks only what it started itself, and {plan.on} at"):
                    plan.fault(bed)
