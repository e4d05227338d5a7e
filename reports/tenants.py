"""What each tenant of a load felt: whether one waits for what another asked."""

import polars as pl

from reports.latency import Group, group


def tenants(iterations: pl.DataFrame, responses: pl.DataFrame) -> list[Group]:
    """The responses of each tenant, over all scenarios, by name; none where the load has no tenants."""
    tenant = iterations.filter(pl.col("tenant") != "").rename({"index": "iteration"})
    found = responses.join(tenant, on=["scenario", "iteration"]).partition_by("tenant", as_dict=True)
    return [group(str(name), mine) for (name,), mine in sorted(found.items())]
