"""Runs an experiment once, with everything it needs started for it and stopped after it, and judges what it did."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chaos.experiment import Experiment
from chaos.runner import run_experiment
from harness.records.faults import FaultWindow
from harness.records.run import Recorded, Run
from harness.records.verdicts import Judgement, Verdict
from harness.target import Target
from harness.testbed import Testbed, Wanted

THROUGH_LINKS = Wanted(links=True, journal=True)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of an experiment."""

    directory: Path
    """The run."""
    judgements: Sequence[Judgement]
    unbitten: tuple[str, ...]
    """Faults that did not bite."""

    @property
    def verdict(self) -> Verdict:
        """The worst of the invariants'; unknown at best where a fault did not bite, for then nothing is shown."""
        told = [each.verdict for each in self.judgements]
        return Verdict.worst([*told, Verdict.UNKNOWN] if self.unbitten else told)

    def upholds(self, invariant: str) -> bool:
        """Whether it is valid, where everything bit and nothing is broken; others may be such as nobody can know."""
        valid = any(each.invariant == invariant and each.verdict is Verdict.VALID for each in self.judgements)
        return valid and not broken(self.judgements) and not self.unbitten

    def __str__(self) -> str:
        open_ends = (each.invariant for each in self.judgements if each.verdict is Verdict.UNKNOWN)
        told = [
            *broken(self.judgements),
            *(f"{each} is not known" for each in open_ends),
            *(f"{each} did not bite" for each in self.unbitten),
        ]
        return f"{self.verdict}: {', '.join(told) or 'every invariant holds'} ({self.directory})"


async def run_once(
    target: Target,
    experiment: Experiment,
    *,
    seed: int,
    results: Path,
    wanted: Wanted = THROUGH_LINKS,
    command: str = "",
    notify: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Run it in a new run below `results`; `command` is how to do that again.

    Raises CannotRun where something the user can put right stands in the way, and whatever run_experiment raises.
    """
    wanted = replace(wanted, persistent=wanted.persistent or experiment.needs_persistence)
    with Run.create(
        results, kind="chaos", title=experiment.title, target=target.file.name, seed=seed, command=command
    ) as run:
        async with Testbed.standing(target, run, wanted, notify) as bed:
            await run_experiment(bed, experiment)
            judgements = await bed.conclude()
        run.end()
    dull = [window for window in Recorded(run.directory).read(FaultWindow) if not window.bit]
    return Outcome(
        directory=run.directory,
        judgements=judgements,
        unbitten=tuple(f"{window.name} on {window.on}" for window in dull),
    )


def broken(judgements: Sequence[Judgement]) -> tuple[str, ...]:
    """The invariants that are broken, in the order in which they are judged: how one failure is told from another."""
    return tuple(each.invariant for each in judgements if each.verdict is Verdict.INVALID)
