"""What was at its limit while a rate was offered: by what was sampled of processes and workers meanwhile."""

from collections.abc import Iterable

from harness.checking.percentiles import median
from harness.records import samples as names
from harness.records.samples import CLIENT, CPU, MACHINE, Sample, series
from harness.records.steps import Saturated

BUSY = 90.0
"""Per cent from which processors are at their limit: of one core, for what runs on one; of all, for the machine."""
PROCESSORS = "the processors of the machine"
SLOTS = (
    ("activities", "ActivityWorker", "max_concurrent_activities"),
    ("workflow tasks", "WorkflowWorker", "max_concurrent_workflow_tasks"),
)
RELIEF = {
    "temporal": "put Temporal on PostgreSQL or Cassandra, with more history shards: the dev server has one, and SQLite",
    "postgres": "look for its slowest statements, and for connections that wait for one another",
    "redis": "look for its slowest commands: it runs them one after the other",
}
"""The services, and what to try where one of them is at its limit."""
BACKLOG_FROM = 10.0
"""Tasks waiting in a queue, at the median, from which its workers do not keep up."""


def saturated(
    samples: Iterable[Sample], began: float, ended: float, *, processors: int, generator_late: bool = False
) -> Saturated | None:
    """What was at its limit between two moments, on so many processors; None where nothing was seen to be.

    By medians over the time, so that a moment's peak is none. The nearest cause comes first: the generator, where it
    was late; each worker, for Python runs on one core; the whole machine, with who used most of it; the slots of the
    workers; tasks that wait though none of these is short; a service. What was not sampled was not seen.
    """
    during: dict[tuple[str, str], list[float]] = {}
    for sample in samples:
        if began <= sample.time <= ended:
            during.setdefault((sample.source, sample.name), []).append(sample.value)
    cores = {source: median(values) or 0.0 for (source, name), values in during.items() if name == CPU}
    if generator_late:
        return _generator(cores)
    return _workers(cores) or _machine(cores, processors) or _slots(during) or _backlog(during) or _service(cores)


def _generator(cores: dict[str, float]) -> Saturated:
    used = f"it used {cores[CLIENT]:.0f} % of a core, at the median" if CLIENT in cores else "it sent late"
    if cores.get(MACHINE, 0.0) >= BUSY:
        used += f", and {cores[MACHINE]:.0f} % of all cores were busy: it did not get its turn"
    return Saturated(what="the generator", evidence=used, change="generate the load with more processes (--processes)")


def _workers(cores: dict[str, float]) -> Saturated | None:
    workers = {source: share for source, share in cores.items() if source.startswith("worker")}
    busy = [source for source, share in workers.items() if share >= BUSY]
    if not busy or cores.get(MACHINE, 0.0) >= BUSY:
        return None
    return Saturated(
        what="the workers' processors",
        evidence=", ".join(f"{source} used {workers[source]:.0f} % of a core" for source in sorted(busy)),
        change=f"start more workers than {len(workers)} (--workers {len(workers) + 1})",
    )


def _machine(cores: dict[str, float], processors: int) -> Saturated | None:
    busy = cores.get(MACHINE, 0.0)
    if busy < BUSY:
        return None
    evidence = f"{busy:.0f} % of all cores were busy, at the median"
    ours = {source: share for source, share in cores.items() if source != MACHINE}
    if not ours:
        return Saturated(what=PROCESSORS, evidence=evidence, change="give the machine more cores")
    used, most = sum(ours.values()), max(ours, key=ours.__getitem__)
    change = f"give the machine more cores, or {most} a machine of its own"
    if used < busy * processors / 2:
        change = "stop what else runs on this machine: it used more than this run did"
    return Saturated(
        what=PROCESSORS,
        evidence=f"{evidence}; this run used {used:.0f} % of one, most of it {most}, {ours[most]:.0f} %",
        change=change,
    )


def _slots(during: dict[tuple[str, str], list[float]]) -> Saturated | None:
    for noun, worker_type, setting in SLOTS:
        wanted = series(names.SLOTS_AVAILABLE, worker_type=worker_type)
        free = {source: values for (source, name), values in during.items() if name == wanted}
        without = sorted(source for source, values in free.items() if (median(values) or 0.0) <= 0)
        if without:
            return Saturated(
                what=f"the workers' slots for {noun}",
                evidence=f"{', '.join(without)} had none free most of the time, with processors to spare",
                change=f"raise {setting}",
            )
    return None


def _backlog(during: dict[tuple[str, str], list[float]]) -> Saturated | None:
    """Tasks wait, and whoever should take them has room: they are asked for too seldom."""
    waiting = [median(values) or 0.0 for (_, name), values in during.items() if name.startswith(names.BACKLOG)]
    backlog = max(waiting, default=0.0)
    if backlog < BACKLOG_FROM:
        return None
    return Saturated(
        what="the workers' pollers",
        evidence=f"{backlog:,.0f} tasks waited in a queue, at the median, and the workers had slots and processors",
        change="raise the maximum of the pollers (workflow_task_poller_behavior, activity_task_poller_behavior)",
    )


def _service(cores: dict[str, float]) -> Saturated | None:
    """A server may use several cores; the machine has more to give, so this one alone does not get on."""
    busy = {source: share for source, share in cores.items() if source in RELIEF and share >= BUSY}
    if not busy:
        return None
    most = max(busy, key=busy.__getitem__)
    return Saturated(
        what=most, evidence=f"it used {busy[most]:.0f} % of a core, the most of all services", change=RELIEF[most]
    )
