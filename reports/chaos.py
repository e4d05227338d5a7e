"""The section on faults: what was expected, what everybody got, how it recovered, and which fault met what."""

from collections.abc import Sequence

from msgspec import Struct

from harness.checking.fault_coverage import Coverage
from harness.checking.responses import under_load
from harness.checking.waits import Cause
from harness.records.experiment import ExperimentInfo
from harness.records.faults import FaultWindow
from harness.records.operations import Operation
from harness.records.run import Recorded
from reports.aftermath import aftermath_of
from reports.latency import responses_of
from reports.lives import lives
from reports.plot import Plot
from reports.recovery import RecoveryShown, recovery_bars, shown_recoveries


class ChaosSection(Struct, frozen=True, kw_only=True):
    """What a run with faults shows of them."""

    experiment: ExperimentInfo | None
    limit: float
    """Seconds beyond which an iteration was late."""
    lives: Plot | None
    """None where no iteration waited for an answer."""
    bars: Plot
    recoveries: Sequence[RecoveryShown]
    causes: Sequence[tuple[Cause, str]]
    """Those that were met, with their names, for the legend."""
    coverage: Sequence[Coverage]
    labels: Sequence[str]
    """Of the rows of `coverage`: each fault by its name, what it broke, and when."""


def chaos_section(recorded: Recorded) -> ChaosSection | None:
    """The section, or None where nothing was broken on purpose."""
    aftermath, experiment = aftermath_of(recorded), recorded.experiment()
    windows, recovered = aftermath.windows, aftermath.recovered
    if not windows:
        return None
    load, allowed = recorded.info.load, experiment.recovery if experiment else None
    shown, limit, found = (
        shown_recoveries(recovered, allowed),
        recovered[0].limit,
        responses_of(recorded),
    )
    calls = under_load(recorded.info, recorded.frame(Operation))
    watched = [each for each in recovered if each.spent or each.untold is None]
    parts = {part.cause: part.name for each in shown for part in each.parts}
    return ChaosSection(
        experiment=experiment,
        limit=limit,
        lives=Plot.drawn(lambda width: lives(found, calls, windows, limit, width=width)) if len(found) else None,
        bars=Plot.drawn(lambda width: recovery_bars(watched, allowed, width=width)),
        recoveries=shown,
        causes=[(cause, parts[cause]) for cause in Cause if cause in parts],
        coverage=aftermath.coverage,
        labels=[_label(window, load.began if load else recorded.info.started) for window in windows],
    )


def _label(window: FaultWindow, began: float) -> str:
    return f"{window.name} on {window.on}, at {window.injected - began:.1f} s"
