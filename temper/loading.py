"""A load from what was typed to its verdict."""

from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import CannotRun
from harness.options import allow_external
from temper.ending import run_to_end
from temper.judged import Plan, judged
from temper.load_options import EXAMPLE
from temper.terminal import screen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.target import Target
    from harness.testbed import Testbed
    from loadtests.hosted import Wish
    from loadtests.load import Load
    from loadtests.mix import Mix
    from loadtests.processes import Profiling

    Beside = Callable[[Testbed, Mix], AbstractAsyncContextManager[None]]


def plan_of(target: Path, names: list[str], *, kind: str = "load", **options: Any) -> Plan:
    """A run of what was named, before anything is started. Raises BadTarget."""
    from harness.target import Target

    return Plan(target=Target.read(target), kind=kind, title=" ".join(names), **options)


def mix_of(target: "Target", names: list[str]) -> "Mix":
    """The mix of what was named. Raises CannotRun, UnknownName."""
    from loadtests.mix import Mix

    return Mix.of(target, names)


def tenants_of(told: str | None) -> dict[str, float]:
    """Tenants and their shares. Raises CannotRun."""
    from loadtests import mix

    return {} if told is None else dict(mix.tenants_of(told))


def wish_of(names: list[str], **options: Any) -> "Wish":
    """An open-loop load of what was named, as other processes can be told of it."""
    from loadtests.hosted import Wish

    return Wish(mix=names, **options)


def allowed(wish: "Wish", plan: Plan, rate_cap: float | None, *, yes: bool, baseline: bool = False) -> "Load":
    """The load that is wished for. Raises CannotRun where it is none, or where what is not ours may not get it.

    With a baseline, the bare workflows beside it count too.
    """
    try:
        load = wish.load(plan.target)
    except ValueError as error:
        raise CannotRun(f"{error}.", remedy=EXAMPLE) from error
    if plan.external:
        from loadtests.pairs import EVERY

        allow_external(wish.highest(load) + (1 / EVERY if baseline else 0.0), rate_cap, yes=yes)
    return load


def run_under(
    plan: Plan,
    mix: "Mix",
    workers: int,
    drive: "Callable[[Testbed], Any]",
    *,
    sampling: bool = True,
    baseline: bool = False,
) -> None:
    """Run it to its end; `sampling` is for what does not sample itself."""
    from loadtests.loop import new_event_loop

    beside = [look for look, wanted in ((sampled_beside, sampling), (paired_beside, baseline)) if wanted]
    run_to_end(driven(plan, mix, workers, drive, beside), new_event_loop)


async def driven(
    plan: Plan, mix: "Mix", workers: int, drive: "Callable[[Testbed], Any]", beside: "Sequence[Beside]"
) -> None:
    """A run from its beginning to its verdict: a testbed with workers, prepared, under what `drive` does."""
    from loadtests.load import BACKLOG_SECONDS

    async with judged(plan) as bed, bed.workers(workers):
        await bed.prepare(*mix.scenarios)
        async with AsyncExitStack() as watching:
            for each in beside:
                await watching.enter_async_context(each(bed, mix))
            await drive(bed)
            if running := await bed.quiesce(0.0):
                screen.say(f"{running} workflows still run; they have {BACKLOG_SECONDS:.0f} s")
                await bed.quiesce(BACKLOG_SECONDS)


def sampled_beside(bed: "Testbed", mix: "Mix") -> "AbstractAsyncContextManager[None]":  # noqa: ARG001  # as the others
    from harness.sampling import sampled

    return sampled(bed)


def paired_beside(bed: "Testbed", mix: "Mix") -> "AbstractAsyncContextManager[None]":
    from loadtests.pairs import paired

    return paired(bed, mix)


def profiling_of(*, wanted: bool) -> "Profiling":
    """What looks at workers, and at what makes the load, while it lasts; nothing unless it is wanted."""
    from harness.profiling import profiled

    return profiled if wanted else lambda *_: nullcontext()
