"""Run directories written by hand, by the very writer that real runs use."""

from collections.abc import Sequence
from pathlib import Path

from handwritten_samples import healthy
from msgspec import Struct
from msgspec.structs import replace

from harness.records.anatomy import Anatomy, Part
from harness.records.effects import Effect, EffectKind, Fact, Source
from harness.records.faults import FaultWindow
from harness.records.fingerprint import Fingerprint, ServiceInfo
from harness.records.load import LoadInfo
from harness.records.measurements import Measurement
from harness.records.operations import Ack, Kind, Operation
from harness.records.run import Run
from harness.records.verdicts import Finding, Judgement, Verdict
from harness.records.workflows import Activity, WorkflowRun

BEGIN = 1_000.0
"""When every handwritten load begins, in seconds since the Unix epoch."""
EVIL = "<script>alert('pwned')</script>"


def write_run(
    results: Path,
    records: Sequence[Struct] = (),
    *,
    kind: str = "demo",
    load: dict[str, tuple[float, float]] | None = None,
    ended: bool = True,
    fingerprint: Fingerprint | None = None,
    title: str = "A run written by hand",
    warm_up: float = 0.0,
) -> Path:
    """Write a run with these records, and tell its directory."""
    command = f"temper {kind} --seed 7"
    with Run.create(results, kind=kind, title=title, target="system", seed=7, command=command) as run:
        if load:
            run.under_load(replace(loaded(load), warm_up=warm_up))
        run.write_all(records)
        if fingerprint is not None:
            run.write_fingerprint(fingerprint)
        if ended:
            run.end()
    return run.directory


def loaded(load: dict[str, tuple[float, float]]) -> LoadInfo:
    """A load of these scenarios, each at so many iterations a second; all for so many seconds."""
    rate = sum(each for each, _ in load.values())
    ((duration,),) = [{duration for _, duration in load.values()}]
    shares = {scenario: each / rate for scenario, (each, _) in load.items()}
    return LoadInfo(began=BEGIN, duration=duration, rate=rate, arrivals="constant", shares=shares)


def start(index: int, at: float, *, scenario: str = "slice", ack: Ack = Ack.OK, late: float = 0.0) -> Operation:
    """The start of iteration `index`, meant for `at` seconds after BEGIN and sent `late` seconds after that."""
    sent = BEGIN + at + late
    return Operation(
        scenario=scenario,
        iteration=index,
        kind=Kind.START,
        name="Pipeline",
        workflow_id=f"run.{scenario}.{index}.main",
        run_id=None,
        intended=BEGIN + at,
        sent=sent,
        acknowledged=None if ack is Ack.INFO else sent + 0.01,
        ack=ack,
    )


def result(
    index: int,
    at: float,
    took: float | None,
    *,
    scenario: str = "slice",
    status: str | None = "completed",
    late: float = 0.0,
) -> Operation:
    """The result of iteration `index`, `took` seconds after it was meant to start; None if nobody answered."""
    answered = None if took is None else BEGIN + at + took
    return Operation(
        scenario=scenario,
        iteration=index,
        kind=Kind.RESULT,
        name="",
        workflow_id=f"run.{scenario}.{index}.main",
        run_id=None,
        intended=BEGIN + at,
        sent=BEGIN + at + late,
        acknowledged=answered,
        closed=answered,
        ack=Ack.INFO if took is None else Ack.OK,
        status=None if took is None else status,
    )


def iteration(index: int, at: float, took: float | None, *, late: float = 0.0) -> list[Operation]:
    """A start and its result."""
    return [start(index, at, late=late), result(index, at, took, late=late)]


def judged(
    invariant: str = "nothing lost", verdict: Verdict = Verdict.VALID, findings: int = 0, reason: str = ""
) -> Judgement:
    """A judgement with so many findings."""
    found = tuple(
        Finding(problem="lost", message=f"finding number {n}", workflow_id="run.slice.0.main", step="load", item=str(n))
        for n in range(findings)
    )
    return Judgement(invariant=invariant, verdict=verdict, checked=10, findings=found, reason=reason)


def cut(
    since: float, until: float, *, in_force: bool = True, felt: int = 3, name: str = "link_down", on: str = "worker-1"
) -> FaultWindow:
    """A fault window, in seconds after BEGIN."""
    return FaultWindow(
        name=name,
        on=on,
        injected=BEGIN + since,
        healed=BEGIN + until,
        in_force=in_force,
        evidence="a connection was refused",
        felt=felt,
        felt_by=tuple(f"run.slice.{n}.main: refused" for n in range(felt)),
    )


def measured(name: str, *samples: float, unit: str = "s") -> Measurement:
    """Samples of a measurement."""
    return Measurement(name=name, unit=unit, samples=samples, how=f"{name} was timed by hand")


def activity(
    number: int, scheduled: float, closed: float | None, *, type_: str = "load_chunk", attempts: int = 1
) -> Activity:
    """An activity, in seconds after BEGIN."""
    return Activity(
        type=type_,
        activity_id=str(number),
        scheduled=BEGIN + scheduled,
        started=BEGIN + scheduled + 0.01,
        closed=None if closed is None else BEGIN + closed,
        attempts=attempts,
        worker="worker-1",
        last_failure="ConnectionError: connection was closed" if attempts > 1 else None,
    )


def workflow(
    index: int,
    took: float | None,
    *activities: Activity,
    scenario: str = "slice",
    status: str = "completed",
    since: float = 0.0,
) -> WorkflowRun:
    """A workflow run that began `since` seconds after BEGIN; still open if it took None."""
    return WorkflowRun(
        scenario=scenario,
        iteration=index,
        workflow_id=f"run.{scenario}.{index}.main",
        run_id="r",
        type="Pipeline",
        status="running" if took is None else status,
        started=BEGIN + since,
        closed=None if took is None else BEGIN + since + took,
        events=20,
        activities=activities,
        anatomy=None if took is None else spent(activity_execution=0.75 * took, worker=0.25 * took),
    )


def spent(**seconds: float) -> Anatomy:
    """An anatomy, by the names of the parts."""
    return Anatomy(seconds={Part(name): length for name, length in seconds.items()})


def effect(index: int, item: str = "0", *, kind: EffectKind = EffectKind.FORWARD, attempt: int = 1) -> Effect:
    """An effect of iteration `index`."""
    return Effect(
        workflow_id=f"run.slice.{index}.main",
        step="load",
        item=item,
        kind=kind,
        run_id="r",
        attempt=attempt,
        transaction=100,
        committed_at=BEGIN,
        source=Source.LEDGER,
    )


def fact(
    index: int,
    expected: int,
    found: int,
    *,
    scenario: str = "slice",
    item: str = "0",
    values: dict[str, int] | None = None,
) -> Fact:
    """What the rows say of iteration `index`."""
    return Fact(
        scenario=scenario,
        iteration=index,
        workflow_id=f"run.{scenario}.{index}.main",
        step="load",
        item=item,
        expected=expected,
        found=found,
        values=values or {},
    )


def conditions() -> Fingerprint:
    """A fingerprint with everything in it."""
    return Fingerprint(
        machine="x86_64",
        cpu="A Processor, family 6, model 85",
        system="Linux 6",
        cores=2,
        memory=8 * 2**30,
        python="3.11.9",
        packages={"temporalio": "1.35.0"},
        commit="abc123def456+",
        workers=2,
        links=("worker-1 to postgres",),
        caveats=("SQLite dev server: not a production capacity",),
        services=(
            ServiceInfo(
                name="temporal",
                provider="embedded",
                version="1.32.0",
                address="127.0.0.1:7233",
                flags=("history.transferProcessorMaxPollRPS=2000",),
                startup=1.25,
                ui="http://127.0.0.1:8233/namespaces/default",
            ),
            ServiceInfo(name="redis", provider="external", version="7.4", address="127.0.0.1:6379"),
        ),
    )


def whole_run(results: Path, *, ended: bool = True) -> Path:
    """A demo in which everything was measured and everything holds."""
    operations = [op for n in range(20) for op in iteration(n, n * 0.5, 0.1 + n / 100)]
    invariants = ("nothing lost", "nothing doubled", "every workflow closed", "faults bit")
    return write_run(
        results,
        [
            *operations,
            *(workflow(n, 0.1, activity(n, n * 0.5, n * 0.5 + 0.1), since=n * 0.5) for n in range(20)),
            *(effect(n) for n in range(20)),
            *(
                fact(n, 100, 100, values={"loaded": 90, "rejected": 10, "rejected: no such plane": 10})
                for n in range(20)
            ),
            cut(3, 6),
            *(judged(name) for name in invariants),
            measured("worker_startup", 0.9, 1.0, 1.5),
            measured("bare_worker_startup", 0.6, 0.6, 0.6),
            measured("workflow_overhead", 20.0, 30.0, unit="ms"),
            measured("platform_overhead", -0.5, 1.5, unit="ms"),
            measured("pipeline_throughput", 450_000.0, unit="rows/s"),
            measured("copy_throughput", 600_000.0, unit="rows/s"),
            *healthy(),
        ],
        load={"slice": (2.0, 10.0)},
        fingerprint=conditions(),
        ended=ended,
    )
