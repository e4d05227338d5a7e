"""The fewest faults with which an experiment still fails: `temper chaos shrink`."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import CannotRun, HarnessError
from harness.options import providers_of
from temper.ending import FAILED, run_to_end
from temper.experiments import experiment_of
from temper.judged import RESULTS, as_called
from temper.options import DEFAULT_TARGET, ProviderOption, RunArgument, TargetOption
from temper.terminal import screen

if TYPE_CHECKING:
    from chaos.catalogue import AnyFault
    from chaos.experiment import Experiment
    from chaos.shrink import Shrunk
    from harness.records.run import Recorded
    from harness.target import Target

SUFFIX = "-shrunk"


def chaos_shrink(
    run: RunArgument,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Try so often at most.")] = 30,
    target: TargetOption = DEFAULT_TARGET,
    provider: ProviderOption = None,
) -> None:
    """Find the fewest faults with which the experiment of a failed run still fails; write a file and a test of them.

    Each try is a run of its own in results/. Ctrl-C ends it with the best so far.
    """
    from chaos.once import broken
    from harness.records.verdicts import Judgement

    read, recorded, experiment = experiment_of(run, target)
    found = broken(recorded.read(Judgement))
    if recorded.info.partial and not found:
        raise CannotRun(
            f"{recorded.directory} was cut off before it was judged.",
            remedy=f"Do it again first: temper chaos replay {recorded.info.id}",
        )
    if not found:
        raise CannotRun(
            f"No invariant is broken in {recorded.directory}: there is nothing to shrink.",
            remedy=f"Name a run that failed; what this one came to: temper gate {recorded.info.id}",
        )
    tries = Tries(read, experiment, recorded, found[0], provider)
    run_to_end(shrink(tries, target, runs))


class Tries:
    """Runs an experiment with fewer or simpler faults, and tells whether it fails as it did."""

    def __init__(
        self,
        target: "Target",
        experiment: "Experiment",
        recorded: "Recorded",
        failure: str,
        providers: Sequence[str] | None,
    ) -> None:
        from chaos.once import THROUGH_LINKS
        from chaos.simpler import Journal

        self.target = target
        self.experiment = experiment
        self.recorded = recorded
        self.failure = failure
        """The first invariant that was broken: a run in which only others are failed for another reason."""
        self.wanted = replace(THROUGH_LINKS, providers=providers_of(providers))
        """As the run was made that failed: with less, what failed there could not fail."""
        self._journal = Journal.of(recorded)

    async def __call__(self, faults: tuple["AnyFault", ...]) -> bool:
        """One run. One that was cut off, since nobody was served or a proxy did not obey, shows nothing."""
        from chaos.once import broken, run_once
        from chaos.simpler import Journal
        from harness.records.run import Recorded

        try:
            outcome = await run_once(
                self.target,
                self.with_faults(faults),
                seed=self.recorded.info.seed,
                results=RESULTS,
                wanted=self.wanted,
                command=as_called(),
            )
        except (HarnessError, ExceptionGroup) as error:
            screen.say(f"  cut off: {_reason(error)}")
            return False
        failed = self.failure in broken(outcome.judgements)
        screen.say(f"  {'fails' if failed else 'does not fail'} as it did: {outcome}")
        if failed and faults:
            self._journal = Journal.of(Recorded(outcome.directory))
        return failed

    def simpler(self, fault: "AnyFault") -> "list[AnyFault]":
        """Simpler forms of it that can be, by the journal of the last run that failed."""
        from chaos.simpler import simpler

        workers = self.experiment.workers
        return [each for each in simpler(fault, self._journal) if not [*each.problems(workers)]]

    def with_faults(self, faults: tuple["AnyFault", ...]) -> "Experiment":
        from msgspec import structs

        name = self.experiment.name.removesuffix(SUFFIX) + SUFFIX
        return structs.replace(self.experiment, name=name, fault=faults)


async def shrink(tries: Tries, target: Path, runs: int) -> None:
    """Shrink, telling every run; however it ends, write the best that was found, with `target` as the test reads it."""
    from chaos.shrink import Shrinking

    faults = tries.experiment.fault

    async def told(candidate: tuple["AnyFault", ...]) -> bool:
        faults = "; ".join(map(str, candidate)) or "no fault"
        screen.say(f"run {shrinking.runs} of at most {runs}: {faults}")
        return await tries(candidate)

    screen.say(f"{tries.failure}: shrinking {len(faults)} faults, in runs below {RESULTS}")
    shrinking = Shrinking(faults, told, simpler=tries.simpler, budget=runs)
    try:
        await shrinking.run()
    finally:
        if shrinking.so_far.reproduced:
            _tell(tries, shrinking.so_far, target)
    if not shrinking.so_far.reproduced:
        print(f"Not reproduced in {shrinking.runs} runs: {tries.failure} was not broken again.")
        raise typer.Exit(FAILED)


def _tell(tries: Tries, shrunk: "Shrunk[AnyFault]", target: Path) -> None:
    if not shrunk.faults:
        print(f"It fails without any fault, in {shrunk.runs} runs. {_how_sure(shrunk)} The load alone:")
        print(f"    {_alone(tries, target)}")
        return
    print(f"{len(tries.experiment.fault)} faults became {len(shrunk.faults)}, in {shrunk.runs} runs:")
    print("\n".join(f"    {fault}" for fault in shrunk.faults))
    print(_how_sure(shrunk))
    for path in write(tries, shrunk, target):
        print(path)


def _alone(tries: Tries, target: Path) -> str:
    """The command that puts the scenarios under the same load, and breaks nothing."""
    load = tries.experiment.load
    words = ["temper", "load", *load.scenarios, "--rate", f"{load.rate:g}", "--duration", f"{load.duration:g}"]
    words += ["--arrivals", load.arrivals, "--workers", str(tries.experiment.workers)]
    return shlex.join([*words, "--seed", str(tries.recorded.info.seed), "--target", str(target)])


def _how_sure(shrunk: "Shrunk[AnyFault]") -> str:
    rate = (
        f"Repeated, it failed {shrunk.failed} of {shrunk.repeats} times." if shrunk.repeats else "It was not repeated."
    )
    return rate + (" Not everything smaller was tried." if shrunk.exhausted else "")


def write(tries: Tries, shrunk: "Shrunk[AnyFault]", target: Path) -> list[Path]:
    """Write the experiment, and the test, into the run that was shrunk; returns where they are."""
    from chaos.pasted import as_test
    from chaos.writing import toml_of

    experiment = tries.with_faults(shrunk.faults)
    of = f"Shrunk from {tries.recorded.info.id}, in which was broken: {tries.failure}. {_how_sure(shrunk)}"
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", experiment.name)
    file = tries.recorded.directory / f"{stem}.toml"
    test = tries.recorded.directory / f"test_{stem.replace('-', '_')}.py"
    file.write_text(f"# {of}\n{toml_of(experiment)}", encoding="utf-8")
    text = as_test(experiment, seed=tries.recorded.info.seed, target=target, found=of, failure=tries.failure)
    test.write_text(text, encoding="utf-8")
    return [file, test]


def _reason(error: BaseException) -> str:
    """What cut a run off. Raises it again where it is none of ours, or something the user can put right."""
    first = error
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if isinstance(first, CannotRun) or not isinstance(first, HarnessError):
        raise error
    return str(first)
