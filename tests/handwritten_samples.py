"""Samples written by hand."""

from collections.abc import Mapping, Sequence

from harness.records import samples as names
from harness.records.samples import UP, Sample, series

BEGIN = 1_000.0


def counted(source: str, name: str, *values: float, every: float = 1.0, since: float = 0.0) -> list[Sample]:
    """One series: a value every so many seconds, from `since` seconds after BEGIN."""
    return [
        Sample(time=BEGIN + since + number * every, source=source, name=name, value=value)
        for number, value in enumerate(values)
    ]


def scraped(source: str, *looks: Mapping[str, float] | None, every: float = 1.0) -> list[Sample]:
    """Looks at a metrics endpoint: the series that each found, or None where it did not answer."""
    return [
        sample
        for number, found in enumerate(looks)
        for name, value in {UP: 0.0 if found is None else 1.0, **(found or {})}.items()
        for sample in counted(source, name, value, since=number * every)
    ]


def flat(*several: Sequence[Sample]) -> list[Sample]:
    """All of them, as a run has them."""
    return [sample for samples in several for sample in samples]


def healthy(seconds: float = 120.0) -> list[Sample]:
    """Two looks at a server and a worker with which all is well, and at what each process used between."""
    of_server, of_worker = dict[str, float](), dict[str, float]()
    for kind in ("Workflow", "Activity"):
        for name, value in ((names.POLL_SUCCESS, 1000), (names.POLL_SUCCESS_SYNC, 998), (names.POLL_TIMEOUTS, 3)):
            of_server[series(name, task_type=kind)] = value
        of_worker[series(names.SLOTS_AVAILABLE, worker_type=f"{kind}Worker")] = 40
    for name in (names.WORKFLOW_TASK_WAIT, names.ACTIVITY_WAIT):
        of_worker |= {series(name, le=le): count for le, count in (("0.1", 990), ("0.2", 1000), ("+Inf", 1000))}
    of_worker[names.STICKY_HIT] = 1000
    gauges = {name: value for name, value in of_worker.items() if name.startswith(names.SLOTS_AVAILABLE)}
    return [
        *scraped("temporal", dict.fromkeys(of_server, 0.0), of_server, every=seconds),
        *scraped("worker-1", dict.fromkeys(of_worker, 0.0) | gauges, of_worker, every=seconds),
        *(
            sample
            for source in ("temporal", "worker-1", names.CLIENT, names.MACHINE)
            for sample in (
                *counted(source, names.CPU, 30.0, every=seconds, since=seconds),
                *counted(source, names.MEMORY, 2.0**26, 2.0**27, every=seconds),
            )
        ),
    ]
