"""The catalogue of faults that experiments can name, by their kinds."""

from chaos.faults.links import LinkDownPlan
from chaos.faults.postgres import PostgresFault
from chaos.faults.redis import RedisFault
from chaos.faults.temporal import TemporalFault

AnyFault = LinkDownPlan | TemporalFault | PostgresFault | RedisFault
"""[[fault]], of whichever kind."""
