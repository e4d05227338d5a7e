"""The catalogue of scenarios for `system`: the one place that knows both the system and the harness."""

from scenarios.flights import ROWS
from scenarios.pipeline import LoadFlights, LoadReference

SCENARIOS = (
    LoadReference(),
    LoadFlights(
        "pipeline-whole",
        f"all {ROWS:,} flights, zipped, are loaded or rejected with a reason, each once",
        rows=(ROWS, ROWS),
    ),
    LoadFlights(
        "pipeline-slice",
        "a file of 200 to 2,000 flights is loaded or rejected with a reason, each row once",
        rows=(200, 2_000),
    ),
    LoadFlights(
        "pipeline-few",
        "a file of 100 flights is loaded: the smallest real use, by which a worker's start-up is timed",
        rows=(100, 100),
    ),
)
"""Every scenario, by which `temper` reaches them."""
