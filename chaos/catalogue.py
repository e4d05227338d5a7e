"""The catalogue of faults that experiments can name, by their kinds."""

from chaos.faults.links import LinkDownPlan
from chaos.faults.own import OwnPlan
from chaos.faults.points import PointPlan
from chaos.faults.wires import WirePlan

AnyFault = LinkDownPlan | PointPlan | WirePlan | OwnPlan
"""[[fault]], of whichever kind."""
