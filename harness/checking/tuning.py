"""What to tune: what server and workers measured, beside the thresholds that Temporal publishes."""

from collections.abc import Iterable

import polars as pl
from msgspec import Struct

from harness.checking.advice import (
    Advice,
    TuningVerdict,
    above,
    below,
    between,
    of,
    percent,
    silent_server,
    silent_workers,
)
from harness.checking.counted import Samples, quantile_bounds
from harness.checking.objectives import shown
from harness.checking.percentiles import median, percentile
from harness.records import samples as names
from harness.records.samples import CPU, MACHINE, Sample, series

SYNC_MATCH, SYNC_MATCH_BETTER = 0.95, 0.99
POLL_SUCCESS = 0.95
WAIT_SECONDS = 0.2
STICKY_HITS = 0.95
LONG_POLL_SECONDS = 60.0
"""How long a server holds a poll that finds no task. In less time than that, none can time out."""
BUSY = 90.0
"""Per cent of a core, of a worker, or of all cores, of the machine, from which it is at its limit."""
HEALTH, PERFORMANCE = "Monitor worker health", "Worker performance"
"""Pages of docs.temporal.io."""
NO_TASKS = "handed out none by its queues: activities often go to the worker with the task that scheduled them"


class Kind(Struct, frozen=True, kw_only=True):
    """One of the two kinds of task, by its many names: in the server, in the SDK, in the settings of a worker."""

    noun: str
    task_type: str
    worker_type: str
    wait: str
    exactly: str
    """Those whose wait a history tells."""
    slots: str
    pollers: str


WORKFLOW_TASKS = Kind(
    noun="workflow tasks",
    task_type="Workflow",
    worker_type="WorkflowWorker",
    wait=names.WORKFLOW_TASK_WAIT,
    exactly="workflow tasks that a worker was given",
    slots="max_concurrent_workflow_tasks",
    pollers="workflow_task_poller_behavior",
)
ACTIVITIES = Kind(
    noun="activities",
    task_type="Activity",
    worker_type="ActivityWorker",
    wait=names.ACTIVITY_WAIT,
    exactly="activities that needed one attempt",
    slots="max_concurrent_activities",
    pollers="activity_task_poller_behavior",
)


def advise(
    samples: Iterable[Sample], tasks: pl.DataFrame | None = None, activities: pl.DataFrame | None = None
) -> list[Advice]:
    """Every threshold, beside what was measured. The settings are named as the Python SDK names a worker's.

    Where the histories tell exactly how long workflow tasks and activities waited, buckets are not asked.
    """
    seen = Samples(samples)
    kinds = (WORKFLOW_TASKS, ACTIVITIES)
    return [
        *(_sync_match(seen, kind) for kind in kinds),
        *(
            _wait_by_histories(seen, kind, waits) or _wait_by_buckets(seen, kind)
            for kind, waits in ((WORKFLOW_TASKS, _tasks_waited(tasks)), (ACTIVITIES, _activities_waited(activities)))
        ),
        *(_slots(seen, kind) for kind in kinds),
        *(_poll_success(seen, kind) for kind in kinds),
        _sticky(seen),
    ]


def _sync_match(seen: Samples, kind: Kind) -> Advice:
    whole = seen.grown(series(names.POLL_SUCCESS, task_type=kind.task_type))
    part = seen.grown(series(names.POLL_SUCCESS_SYNC, task_type=kind.task_type)) or 0.0
    share = part / whole if whole else None
    verdict = above(share, SYNC_MATCH, whole)
    return Advice(
        title=f"Sync match rate, {kind.noun}",
        means="Tasks that went straight to a worker that was waiting for one. The others were written to the database "
        "first, because no worker was free to take them.",
        threshold=f"> {percent(SYNC_MATCH)}, better > {percent(SYNC_MATCH_BETTER)}",
        source=HEALTH,
        verdict=verdict,
        measured=percent(share),
        detail=of(whole, "tasks") if whole else silent_server(seen, NO_TASKS),
        change=_more_room(seen, kind) if verdict is TuningVerdict.BREACH else "",
    )


def _poll_success(seen: Samples, kind: Kind) -> Advice:
    """By what each poll came back with. Temporal's own formula counts polls that matched at once twice."""
    found = seen.grown(series(names.POLL_SUCCESS, task_type=kind.task_type))
    empty = seen.grown(series(names.POLL_TIMEOUTS, task_type=kind.task_type)) or 0.0
    polls = (found or 0.0) + empty
    share = (found or 0.0) / polls if polls else None
    verdict = above(share, POLL_SUCCESS, polls)
    lasted = seen.seconds("temporal")
    told = of(polls, "polls") if polls else silent_server(seen, NO_TASKS)
    if verdict is TuningVerdict.OK and lasted < LONG_POLL_SECONDS:
        verdict = TuningVerdict.UNKNOWN
        told += f"; a poll waits {LONG_POLL_SECONDS:.0f} s before it times out, and this was watched for {lasted:.0f} s"
    return Advice(
        title=f"Poll success rate, {kind.noun}",
        means="Polls that came back with a task, and not empty-handed. Few do where there are more pollers than work.",
        threshold=f"> {percent(POLL_SUCCESS)} under a steady, high load",
        source=HEALTH,
        verdict=verdict,
        measured=percent(share),
        detail=told,
        change=f"Too many pollers for this load: lower {kind.pollers}, or run fewer workers. Under a light load it may "
        "stay as it is."
        if verdict is TuningVerdict.BREACH
        else "",
    )


def _wait(kind: Kind, seen: Samples, verdict: TuningVerdict, measured: str, detail: str) -> Advice:
    return Advice(
        title=f"Schedule to start, {kind.noun}, p99",
        means="How long a task waits in its queue for a worker to begin with it.",
        threshold=f"< {WAIT_SECONDS * 1000:.0f} ms",
        source=HEALTH,
        verdict=verdict,
        measured=measured,
        detail=detail,
        change=_more_room(seen, kind) if verdict is TuningVerdict.BREACH else "",
    )


def _wait_by_histories(seen: Samples, kind: Kind, waits: pl.Series | None) -> Advice | None:
    """Exactly, from the server's event histories."""
    worst = None if waits is None else percentile(waits, 99)
    if waits is None or worst is None:
        return None
    verdict = TuningVerdict.OK if worst < WAIT_SECONDS else TuningVerdict.BREACH
    return _wait(kind, seen, verdict, shown(worst * 1000, "ms"), f"exact, of {len(waits):,} {kind.exactly}")


def _tasks_waited(tasks: pl.DataFrame | None) -> pl.Series | None:
    """Without those that no worker was given: they were kept for one in vain, and scheduled again for all."""
    return None if tasks is None else (tasks["started"] - tasks["scheduled"]).drop_nulls()


def _activities_waited(activities: pl.DataFrame | None) -> pl.Series | None:
    """First attempts alone, because a later one waits for its back-off."""
    if activities is None:
        return None
    first = activities.filter(pl.col("attempts") == 1, pl.col("started").is_not_null())
    return first["started"] - first["scheduled"]


def _wait_by_buckets(seen: Samples, kind: Kind) -> Advice:
    prefix, end = f"{kind.wait}{{le=", "}"
    counted = {name.removeprefix(prefix).removesuffix(end): seen.grown(name) for name in seen.names(prefix)}
    bounds = quantile_bounds([(float(le), count or 0.0) for le, count in counted.items()], 0.99)
    if bounds is None:
        return _wait(kind, seen, TuningVerdict.UNKNOWN, "not measured", silent_workers(seen, "counted none"))
    return _wait(
        kind,
        seen,
        below(bounds, WAIT_SECONDS),
        between(bounds, WAIT_SECONDS),
        f"by buckets, of {bounds.count:,} {kind.noun}",
    )


def _slots(seen: Samples, kind: Kind) -> Advice:
    free = seen.values(series(names.SLOTS_AVAILABLE, worker_type=kind.worker_type))
    used = seen.values(series(names.SLOTS_USED, worker_type=kind.worker_type))
    at_zero = sum(value <= 0 for value in free)
    verdict = TuningVerdict.UNKNOWN if not free else TuningVerdict.BREACH if at_zero else TuningVerdict.OK
    if free:
        told = f"the least of {len(free):,} looks at a worker" + (f"; {at_zero:,} found none" if at_zero else "")
    elif used:
        told = f"the workers size their slots by their resources, and tell none free; {max(used):.0f} were used at most"
    else:
        told = silent_workers(seen, "told no slots of this kind")
    return Advice(
        title=f"Free slots, {kind.noun}",
        means="How many more tasks a worker could run at that moment. Without a free slot it does not ask for one.",
        threshold="always > 0",
        source=HEALTH,
        verdict=verdict,
        measured=f"{min(free):.0f}" if free else "not measured",
        detail=told,
        change=f"Raise {kind.slots}, if the workers' processors and memory allow it; else add workers."
        if verdict is TuningVerdict.BREACH
        else "",
    )


def _sticky(seen: Samples) -> Advice:
    hits, misses = seen.grown(names.STICKY_HIT), seen.grown(names.STICKY_MISS) or 0.0
    asked = (hits or 0.0) + misses
    share = (hits or 0.0) / asked if asked else None
    evicted = seen.grown(names.EVICTIONS) or 0.0
    verdict = above(share, STICKY_HITS, asked)
    told = of(asked, "workflow tasks") + (f"; {evicted:,.0f} workflows were evicted" if evicted else "")
    return Advice(
        title="Sticky cache hits",
        means="Workflow tasks whose workflow the worker still had in memory. For the others it fetched the history, "
        "and replayed it.",
        threshold=f"> {percent(STICKY_HITS)} (Temporal names no figure)",
        source=PERFORMANCE,
        verdict=verdict,
        measured=percent(share),
        detail=told if asked else silent_workers(seen, "counted none"),
        change="Raise max_cached_workflows, if the workers' memory allows it. Workers that die or come anew miss too."
        if verdict is TuningVerdict.BREACH
        else "",
    )


def _more_room(seen: Samples, kind: Kind) -> str:
    """What lets waiting tasks begin sooner: what the workers ran out of comes first."""
    free = seen.values(series(names.SLOTS_AVAILABLE, worker_type=kind.worker_type))
    machine = median([value for _, value in seen.points(MACHINE, CPU)])
    workers = [source for source in seen.sources(CPU) if source.startswith("worker")]
    busiest = max((median([value for _, value in seen.points(each, CPU)]) or 0.0 for each in workers), default=0.0)
    if machine is not None and machine >= BUSY:
        return (
            f"The machine is at its limit (processors {machine:.0f} % busy, median); whatever is set, tasks wait. "
            "Lower the rate, or give it more processors."
        )
    if free and min(free) <= 0:
        return f"Workers ran out of slots: raise {kind.slots}, or add workers."
    if busiest >= BUSY:
        return f"A worker is at its limit ({busiest:.0f} % of a core, median): add workers."
    return (
        f"Workers have room, and ask too seldom: raise {kind.pollers} (PollerBehaviorAutoscaling: initial, maximum), "
        "or add workers."
    )
