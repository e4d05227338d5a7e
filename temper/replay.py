"""Histories, replayed with today's code: `temper replay`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import CannotRun
from harness.options import ask_leave
from temper.ending import FAILED, run_to_end
from temper.judged import Plan, choose, judged, titled
from temper.options import (
    DEFAULT_TARGET,
    HISTORIES,
    EveryOption,
    ExternalOption,
    HistoriesOption,
    NamesArgument,
    SeedOption,
    TargetOption,
    YesOption,
)

if TYPE_CHECKING:
    from harness.scenario import Scenario


def replay_record(
    names: NamesArgument = None,
    every: EveryOption = False,
    folder: HistoriesOption = HISTORIES,
    iterations: Annotated[int, typer.Option("-n", min=1, help="Iterations of each.")] = 1,
    seed: SeedOption = 1,
    target: TargetOption = DEFAULT_TARGET,
    external: ExternalOption = None,
    yes: YesOption = False,
) -> None:
    """Run scenarios, and keep a history of each way in which each workflow went: the shortest."""
    read, chosen = choose(target, names, every=every)
    if external:
        ask_leave(yes=yes)
    title = titled(chosen, every=every)
    plan = Plan(target=read, kind="scenario", title=title, seed=seed, external=external)
    run_to_end(_replay_record(plan, chosen, iterations, folder))


async def _replay_record(plan: Plan, scenarios: Sequence["Scenario[Any]"], iterations: int, folder: Path) -> None:
    from harness.replay import golden
    from harness.watching import histories

    async with judged(plan) as bed, bed.workers(1):
        await bed.prepare(*scenarios)
        for scenario in scenarios:
            for _ in range(iterations):
                await bed.once(scenario)
        query = f'WorkflowId STARTS_WITH "{bed.run.info.id}."'
        found = await histories(bed.client, [listed.id async for listed in bed.client.list_workflows(query)])
        kept = golden.choose(history for history in found if not golden.stored_elsewhere(history))
        golden.write(folder, kept)
        print(f"{len(found)} histories seen, {len(kept)} ways kept in {folder}")


def replay_check(
    folder: HistoriesOption = HISTORIES,
    seeds: Annotated[str, typer.Option(help="Hash seeds, with commas.")] = "0,1,2",
    target: TargetOption = DEFAULT_TARGET,
) -> None:
    """Replay what was recorded with today's code, and compare every command, arguments and all."""
    try:
        wanted = [int(seed) for seed in seeds.split(",")]
    except ValueError as error:
        raise CannotRun(
            f"--seeds is {seeds!r}: expected numbers with commas.", remedy="Example: --seeds 0,1,7"
        ) from error
    run_to_end(_replay_check(target, folder, wanted))


async def _replay_check(target: Path, folder: Path, seeds: Sequence[int]) -> None:
    from harness.replay.seeds import check, seed_dependent

    outcomes = []
    async for outcome in check(target, folder, seeds):
        outcomes.append(outcome)
        if outcome.differs:
            print(f"✗ {outcome.path} (hash seed {outcome.seed}, {outcome.time})")
            print("\n".join(f"  {line}" for line in outcome.differs), flush=True)
    for line in seed_dependent(outcomes):
        print(f"✗ {line}")
    differing = sum(bool(outcome.differs) for outcome in outcomes)
    print(f"{len(outcomes)} replays: {len(outcomes) - differing} the same, {differing} not")
    if differing:
        raise typer.Exit(FAILED)
