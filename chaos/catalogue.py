"""The catalogue of faults that experiments can name, by their kinds."""

from chaos.faults.links import LinkDownPlan

AnyFault = LinkDownPlan
"""[[fault]], of whichever kind."""
