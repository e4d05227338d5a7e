"""The catalogue of scenarios for `system`: the one place that knows both the system and the harness."""

from scenarios.control import CONTROL
from scenarios.dead_letters import Kept, Redriven, Swept
from scenarios.orders import ORDERS
from scenarios.pipeline import PIPELINES
from scenarios.scheduling import SCHEDULING
from scenarios.tasks import TASKS

SCENARIOS = (
    *PIPELINES,
    *ORDERS,
    *SCHEDULING,
    *TASKS,
    *CONTROL,
    Kept(),
    Redriven(),
    Swept(),
)
"""Every scenario, by which `temper` reaches them."""
