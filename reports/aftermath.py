"""What the faults of a run did: how each was recovered from, and what it met."""

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from harness.checking.fault_coverage import Coverage, fault_coverage
from harness.checking.recovery import Recovered, recoveries
from harness.records.experiment import Steady
from harness.records.faults import FaultWindow
from harness.records.operations import Operation
from harness.records.run import Recorded
from harness.records.workflows import WorkflowRun


class Aftermath(Struct, frozen=True, kw_only=True):
    """What is told of the faults of a run, each in the order of their injection."""

    windows: Sequence[FaultWindow]
    recovered: Sequence[Recovered]
    coverage: Sequence[Coverage]


@lru_cache(maxsize=1)
def aftermath_of(recorded: Recorded) -> Aftermath:
    """By the operations of the load and the workflows: who met a fault is told one by one, so they are read as records.

    Kept for whoever asks next of the same run: recoveries are metrics, and a section of its report.
    """
    windows = sorted(recorded.read(FaultWindow), key=lambda window: window.injected)
    if not windows:
        return Aftermath(windows=(), recovered=(), coverage=())
    loaded, experiment = recorded.info.loaded, recorded.experiment()
    operations = [each for each in recorded.read(Operation) if each.scenario in loaded and not each.warm_up]
    workflows = recorded.read(WorkflowRun)
    return Aftermath(
        windows=windows,
        recovered=recoveries(operations, workflows, windows, experiment.steady if experiment else Steady()),
        coverage=fault_coverage(windows, [run for run in workflows if run.scenario in loaded], operations),
    )
