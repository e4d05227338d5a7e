"""The catalogue of faults that experiments can name, by their kinds."""

from chaos.faults.links import LinkDownPlan
from chaos.faults.own import OwnPlan
from chaos.faults.points import PointPlan
from chaos.faults.postgres import PostgresFault
from chaos.faults.redis import RedisFault
from chaos.faults.resets import ResetPlan
from chaos.faults.temporal import TemporalFault
from chaos.faults.toxics import BandwidthPlan, BlackholePlan, LatencyPlan, LimitDataPlan, SlicerPlan, SlowClosePlan
from chaos.faults.wires import WirePlan
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

OfServices = TemporalFault | PostgresFault | RedisFault

AnyFault = OfLinks | OfWorkers | OfServices | PointPlan | WirePlan | OwnPlan
"""[[fault]], of whichever kind."""
