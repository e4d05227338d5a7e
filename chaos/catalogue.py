"""The catalogue of faults that experiments can name, by their kinds."""

from chaos.faults.links import LinkDownPlan
from chaos.faults.resets import ResetPlan
from chaos.faults.toxics import BandwidthPlan, BlackholePlan, LatencyPlan, LimitDataPlan, SlicerPlan, SlowClosePlan
from chaos.faults.workers import (
    RollingRestartPlan,
    WorkerDrainedPlan,
    WorkerKilledPlan,
    WorkerLatePlan,
    WorkerPausedPlan,
)

OfLinks = (
    LinkDownPlan | BlackholePlan | LatencyPlan | BandwidthPlan | SlowClosePlan | ResetPlan | SlicerPlan | LimitDataPlan
)
OfWorkers = WorkerKilledPlan | WorkerPausedPlan | WorkerDrainedPlan | RollingRestartPlan | WorkerLatePlan

AnyFault = OfLinks | OfWorkers
"""[[fault]], of whichever kind."""
