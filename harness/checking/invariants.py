"""The invariants: pure functions from the records of a run to findings and a verdict."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from harness.checking.causes import why_doubled, why_late, why_repeated, why_standing, why_unledgered
from harness.records.calls import Call
from harness.records.effects import TRANSACTION_SPACE, Effect, EffectKind, Fact, Source
from harness.records.experiment import ExperimentInfo
from harness.records.faults import FaultWindow
from harness.records.journal import Journal
from harness.records.load import LoadInfo
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.replays import Replay
from harness.records.sessions import Session
from harness.records.verdicts import Finding, Judgement, Verdict
from harness.records.workflows import OPEN, WorkflowRun

HARMLESS_TASK_FAILURES = frozenset({"UNHANDLED_COMMAND", "RESET_WORKFLOW", "FORCE_CLOSE_COMMAND"})
"""Causes of a failed workflow task that healthy workflows have too: a signal while closing, a reset, a termination."""


BOOKS = {Source.LEDGER: "ledger", Source.WAL: "journal"}
"""What effects were told by, in words."""


class Records(Struct, frozen=True, kw_only=True):
    """What the invariants look at. None means that nobody could observe it: what needs it is unknown."""

    operations: Sequence[Operation]
    workflows: Sequence[WorkflowRun]
    effects: Sequence[Effect] | None
    facts: Sequence[Fact]
    faults: Sequence[FaultWindow] = ()
    ends: Mapping[str, frozenset[str]] = {}
    """For each scenario, the closing statuses it allows, also under faults."""
    calls: Sequence[Call] | None = None
    """What the outside world counted."""
    sessions: Sequence[Session] | None = None
    """The workers' connections to PostgreSQL."""
    load: LoadInfo | None = None
    iterations: Sequence[Iteration] = ()
    experiment: ExperimentInfo | None = None
    source: Source = Source.LEDGER
    """What told the effects."""
    journal: Journal | None = None
    """What PostgreSQL says was committed, where it was asked."""
    replays: Sequence[Replay] | None = None
    """The histories that were replayed."""


Invariant = Callable[[Records], Judgement]
OwnInvariant = Callable[[Records], Judgement | None]
"""One of a target's own: None where it has nothing to say of such a run."""


def nothing_lost(records: Records) -> Judgement:
    """What was acknowledged is there: the workflow at the server, and every row it must have written."""
    known = {run.workflow_id for run in records.workflows}
    started = [op for op in records.operations if op.kind is Kind.START and op.ack is Ack.OK]
    findings = [
        _finding("lost", f"{op.workflow_id} was acknowledged, and the server does not know it", op.workflow_id)
        for op in started
        if op.workflow_id not in known
    ]
    findings += [
        _about(fact, "lost", f"{fact.found} of {fact.expected} rows are there")
        for fact in records.facts
        if fact.found < fact.expected
    ]
    counted = {fact.key for fact in records.facts}
    observed_steps = {fact.step for fact in records.facts}
    findings += [
        _about(effect, "lost", f"the {BOOKS[records.source]} has an effect of which no row is there")
        for effect in _standing(records.effects or ())
        if effect.step in observed_steps and effect.key not in counted
    ]
    return as_judgement("nothing lost", len(started) + len(records.facts), findings)


def nothing_doubled(records: Records) -> Judgement:
    """Every effect counts once, and one that was undone not at all: neither ledger nor rows say otherwise."""
    effects = records.effects or ()
    written: dict[tuple[str, str, str], list[Effect]] = defaultdict(list)
    for effect in effects:
        if effect.kind is EffectKind.FORWARD:
            written[effect.key].append(effect)
    undone = Counter(e.key for e in effects if e.kind is EffectKind.COMPENSATION)
    findings = [
        _at(
            key,
            "doubled",
            f"the {BOOKS[records.source]} has it {len(each)} times, undone {undone[key]} times{why_doubled(each)}",
        )
        for key, each in written.items()
        if len(each) - undone[key] > 1
    ]
    runs = by_workflow(records.workflows)
    for fact in records.facts:
        standing = written[fact.key][undone[fact.key] :] if fact.key in written else []
        mine = runs.get(fact.workflow_id, ())
        if fact.found > fact.expected == 0 and standing:
            problem = "zombie" if why_late(standing[-1], mine) else "uncompensated"
            why = why_standing(standing[-1], mine)
            findings.append(_about(fact, problem, f"{fact.found} rows are there, and none may be: {why}"))
        elif fact.found > fact.expected:
            message = f"{fact.found} rows are there, {fact.expected} expected{why_repeated(fact, mine)}"
            findings.append(_about(fact, "doubled", message))
        if fact.found and fact.key in written and not standing:
            message = f"the {BOOKS[records.source]} says it was undone, and {fact.found} rows are there"
            findings.append(_about(fact, "uncompensated", message))
    if records.effects is None and not records.facts:
        return unknown("nothing doubled", "neither a ledger nor business rows were observed")
    return as_judgement("nothing doubled", len(written) + len(records.facts), findings)


def effects_are_atomic(records: Records) -> Judgement:
    """Each effect and its rows were committed by one and the same transaction."""
    if records.effects is None:
        return unknown("effects are atomic", "the target keeps no ledger")
    by_key: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    untold = set()
    for effect in records.effects:
        if effect.transaction is None:
            untold.add(effect.key)
        elif effect.kind is EffectKind.FORWARD:
            by_key[effect.key].add(effect.transaction % TRANSACTION_SPACE)
    told = [fact for fact in records.facts if fact.transactions and fact.key not in untold]
    findings = []
    for fact in told:
        rows, ledger = set(fact.transactions), by_key[fact.key]
        if not ledger:
            message = f"rows are there, and the ledger knows nothing of them{why_unledgered(fact, records.workflows)}"
            findings.append(_about(fact, "phantom", message))
        elif rows != ledger:
            findings.append(
                _about(
                    fact,
                    "torn",
                    f"rows were written by transaction {_list(rows)}, the ledger by {_list(ledger)}: "
                    "a crash between them loses or doubles the effect",
                )
            )
    return as_judgement("effects are atomic", len(told), findings)


def every_workflow_closed(records: Records) -> Judgement:
    """Every workflow came to an end its scenario allows."""
    findings = []
    for run in records.workflows:
        allowed = records.ends.get(run.scenario, frozenset({"completed"})) | {"continued_as_new"}
        if run.status == OPEN:
            findings.append(_finding("open", f"{run.type} is still running", run.workflow_id))
        elif run.status not in allowed:
            message = f"{run.type} ended {run.status}; allowed: {', '.join(sorted(allowed))}"
            findings.append(_finding("bad_end", message, run.workflow_id))
    return as_judgement("every workflow closed", len(records.workflows), findings)


def no_task_failed(records: Records) -> Judgement:
    """No workflow task failed for a bad cause, though the workflow may have gone on to return "ok"."""
    findings = [
        _finding(
            "task_failed",
            f"event {failure.event_id}: {failure.cause}: {failure.message}",
            run.workflow_id,
        )
        for run in records.workflows
        for failure in run.task_failures
        if failure.cause not in HARMLESS_TASK_FAILURES
    ]
    return as_judgement("no workflow task failed", len(records.workflows), findings)


def operations_answered(records: Records) -> Judgement:
    """No start was refused, and no call's fate is left open.

    A start that nobody answered, and that was found later never to have happened, did no harm.
    """
    name, operations = "operations answered", records.operations
    refused = [
        _finding("refused", f"start of {op.name}: {op.error}", op.workflow_id)
        for op in operations
        if op.kind is Kind.START and op.ack is Ack.FAIL and op.acknowledged is not None
    ]
    # What prepares a load comes before it, and may well have worked.
    loaded = [op for op in operations if records.load is None or op.scenario in records.load.shares]
    if loaded and not any(op.ack is Ack.OK for op in loaded):
        refused.append(_finding("nothing_worked", "every operation failed: the run proves nothing", None))
    open_ends = [op for op in operations if op.ack is Ack.INFO]
    if open_ends and not refused:
        first = open_ends[0]
        reason = f"calls whose fate is not known: {len(open_ends)}; the first: {first.kind} {first.workflow_id}"
        return unknown(name, reason, checked=len(operations))
    return as_judgement(name, len(operations), refused)


def faults_bit(records: Records) -> Judgement:
    """Every fault of the run was really in force, and something met it. Otherwise nothing was proven: unknown."""
    dull = [window for window in records.faults if not window.bit]
    if dull:
        begun = {activity.type for run in records.workflows for activity in run.activities}
        reasons = (f"{window.name} on {window.on}: {_why_dull(window, begun)}" for window in dull)
        return unknown("faults bit", "; ".join(reasons), checked=len(records.faults))
    return as_judgement("faults bit", len(records.faults), [])


def _why_dull(window: FaultWindow, begun: Collection[str]) -> str:
    if not window.in_force:
        return f"never in force ({window.evidence})"
    if window.name.startswith("point ") and window.on not in begun:
        return f"nothing met it: no such activity was begun, but {', '.join(sorted(begun)) or 'none at all'}"
    return "nothing met it"


INVARIANTS: tuple[Invariant, ...] = (
    nothing_lost,
    nothing_doubled,
    every_workflow_closed,
    no_task_failed,
    operations_answered,
)
"""What must hold for every run of every target."""


def _standing(effects: Sequence[Effect]) -> list[Effect]:
    """The forward effects that no compensation has undone."""
    undone = Counter(e.key for e in effects if e.kind is EffectKind.COMPENSATION)
    standing = []
    for effect in effects:
        if effect.kind is not EffectKind.FORWARD:
            continue
        if undone[effect.key] > 0:
            undone[effect.key] -= 1
        else:
            standing.append(effect)
    return standing


def by_workflow(runs: Iterable[WorkflowRun]) -> dict[str, list[WorkflowRun]]:
    """The runs of each workflow, by its id."""
    found: dict[str, list[WorkflowRun]] = defaultdict(list)
    for run in runs:
        found[run.workflow_id].append(run)
    return found


def as_judgement(invariant: str, checked: int, findings: Sequence[Finding]) -> Judgement:
    """Invalid if anything was found, unknown if nothing was looked at, else valid."""
    if findings:
        return Judgement(invariant=invariant, verdict=Verdict.INVALID, checked=checked, findings=tuple(findings))
    if not checked:
        return unknown(invariant, "there was nothing to look at")
    return Judgement(invariant=invariant, verdict=Verdict.VALID, checked=checked)


def unknown(invariant: str, reason: str, checked: int = 0) -> Judgement:
    """Nobody could look, or what was seen proves nothing."""
    return Judgement(invariant=invariant, verdict=Verdict.UNKNOWN, checked=checked, reason=reason)


def _finding(problem: str, message: str, workflow_id: str | None) -> Finding:
    return Finding(problem=problem, message=message, workflow_id=workflow_id)


def _about(record: Effect | Fact, problem: str, message: str) -> Finding:
    return _at(record.key, problem, message)


def _at(key: tuple[str, str, str], problem: str, message: str) -> Finding:
    workflow_id, step, item = key
    return Finding(problem=problem, message=message, workflow_id=workflow_id, step=step, item=item)


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))
