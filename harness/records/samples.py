"""Figures taken while a run went on: of its processes, and of what server and workers measure themselves."""

from msgspec import Struct

MACHINE = "machine"
CLIENT = "client"
"""This process with those it started that are no service and no worker: whatever made the load."""

CPU = "cpu"
"""Share of one core since the sample before, in per cent: 200 is two cores. Of the machine: of all its cores."""
MEMORY = "memory"
"""Bytes that are resident; what the processes of one source share is counted once. Of the machine: in use."""
MEMORY_PEAK = "memory_peak"
"""The most bytes that were resident at any time, between looks too. There is a sample where it has grown."""
FILES = "open_files"
THREADS = "threads"
CONNECTIONS = "connections"
"""Clients that are connected to a store."""
UP = "up"
"""1 where the metrics endpoint answered, 0 where it did not."""

# What Temporal's server measures, by task_type: Workflow, Activity.
POLL_SUCCESS = "poll_success"
"""Polls that came back with a task."""
POLL_SUCCESS_SYNC = "poll_success_sync"
"""Those of them whose task was handed over as it came, and not read from the database."""
POLL_TIMEOUTS = "poll_timeouts"
BACKLOG = "approximate_backlog_count"

# What its SDKs measure in a worker, without the endings that depend on their settings (_total, _seconds).
SLOTS_AVAILABLE = "temporal_worker_task_slots_available"
SLOTS_USED = "temporal_worker_task_slots_used"
"""By worker_type: WorkflowWorker, ActivityWorker."""
POLLERS = "temporal_num_pollers"
"""By poller_type: workflow_task, sticky_workflow_task, activity_task."""
STICKY_HIT = "temporal_sticky_cache_hit"
STICKY_MISS = "temporal_sticky_cache_miss"
STICKY_SIZE = "temporal_sticky_cache_size"
EVICTIONS = "temporal_sticky_cache_total_forced_eviction"
ACTIVITY_WAIT = "temporal_activity_schedule_to_start_latency_bucket"
WORKFLOW_TASK_WAIT = "temporal_workflow_task_schedule_to_start_latency_bucket"
"""By le: how many waited so many seconds or less."""


class Sample(Struct, frozen=True, kw_only=True):
    """One figure at one moment. Counters and buckets are as they stand, and begin anew where a process does."""

    time: float
    """Seconds since the Unix epoch, by this process's clock."""
    source: str
    """temporal, postgres, worker-1, client, machine, …"""
    name: str
    """One of the above, or a metric as `series` writes it."""
    value: float
    unit: str = ""


def series(metric: str, **labels: str) -> str:
    """A metric's name with the labels that count: "temporal_worker_task_slots_used{worker_type=ActivityWorker}"."""
    told = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return f"{metric}{{{told}}}" if told else metric
