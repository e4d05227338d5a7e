"""What each tenant of a load felt: whether one waits for what another asked."""

from collections import defaultdict
from collections.abc import Iterable

from harness.checking.responses import Response
from harness.records.operations import Iteration
from reports.latency import Group, ScenarioLatency, group


def tenants(iterations: Iterable[Iteration], latencies: Iterable[ScenarioLatency]) -> list[Group]:
    """The responses of each tenant, over all scenarios, by name; none where the load has no tenants."""
    tenant = {(each.scenario, each.index): each.tenant for each in iterations}
    found: dict[str, list[Response]] = defaultdict(list)
    for latency in latencies:
        for response in latency.responses:
            if name := tenant.get((response.scenario, response.iteration), ""):
                found[name].append(response)
    return [group(name, found[name]) for name in sorted(found)]
