"""Each invariant on records written by hand: valid, broken, and nothing to look at."""

import pytest
from handwritten_records import GOOD, NOTHING, WORKFLOW, effect, fact, operation, window, workflow
from msgspec.structs import replace

from harness.checking.applicable import applicable
from harness.checking.invariants import (
    INVARIANTS,
    Invariant,
    Records,
    effects_are_atomic,
    every_workflow_closed,
    faults_bit,
    no_task_failed,
    nothing_doubled,
    nothing_lost,
    operations_answered,
)
from harness.records.effects import TRANSACTION_SPACE, Effect, EffectKind
from harness.records.faults import FaultWindow
from harness.records.load import LoadInfo
from harness.records.operations import Ack, Kind
from harness.records.verdicts import Verdict
from harness.records.workflows import Activity

UNDONE = EffectKind.COMPENSATION


def problems(invariant: Invariant, records: Records) -> list[str]:
    """The problems found, after making sure that the verdict fits them."""
    judgement = invariant(records)
    assert (judgement.verdict is Verdict.INVALID) == bool(judgement.findings)
    assert judgement.checked > 0 or judgement.verdict is not Verdict.VALID
    return [finding.problem for finding in judgement.findings]


@pytest.mark.parametrize("invariant", INVARIANTS)
def test_every_invariant_holds_on_good_records(invariant: Invariant) -> None:
    """A workflow that loaded its chunk once breaks none."""
    judgement = invariant(GOOD)
    assert (judgement.verdict, judgement.findings, judgement.reason) == (Verdict.VALID, (), "")


@pytest.mark.parametrize("invariant", [*INVARIANTS, faults_bit])
def test_no_invariant_is_valid_where_there_was_nothing_to_look_at(invariant: Invariant) -> None:
    """Of nothing, nothing is known; and the reason says so."""
    judgement = invariant(NOTHING)
    assert (judgement.verdict, judgement.checked) == (Verdict.UNKNOWN, 0)
    assert judgement.reason


def test_an_acknowledged_start_the_server_does_not_know_is_lost() -> None:
    """The finding names the workflow."""
    judgement = nothing_lost(replace(GOOD, workflows=[]))
    assert [(f.problem, f.workflow_id) for f in judgement.findings] == [("lost", WORKFLOW)]


@pytest.mark.parametrize("ack", [Ack.INFO, Ack.FAIL])
def test_a_start_nobody_acknowledged_is_not_lost(ack: Ack) -> None:
    """It was never promised."""
    assert problems(nothing_lost, replace(GOOD, operations=[operation(ack=ack)], workflows=[])) == []


def test_missing_rows_are_lost() -> None:
    """The finding names step and item, and how many are there."""
    (finding,) = nothing_lost(replace(GOOD, facts=[fact(found=99)])).findings
    assert (finding.problem, finding.step, finding.item) == ("lost", "load", "0")
    assert finding.message == "99 of 100 rows are there"


def test_an_effect_without_any_row_is_lost() -> None:
    """The ledger has a chunk of which the rows are gone."""
    assert problems(nothing_lost, replace(GOOD, effects=[effect(), effect("1")])) == ["lost"]


def test_an_effect_that_was_undone_needs_no_rows() -> None:
    """Its compensation took them away."""
    effects = [effect(), effect("1"), effect("1", kind=UNDONE)]
    assert problems(nothing_lost, replace(GOOD, effects=effects)) == []
    assert problems(nothing_lost, replace(GOOD, effects=[*effects, effect("1"), effect("1", kind=UNDONE)])) == []


def test_an_effect_done_again_after_it_was_undone_needs_its_rows() -> None:
    """One compensation undoes one effect, not two."""
    effects = [effect(), effect("1"), effect("1", kind=UNDONE), effect("1")]
    assert problems(nothing_lost, replace(GOOD, effects=effects)) == ["lost"]


def test_a_step_of_which_no_rows_are_observed_is_not_judged_by_rows() -> None:
    """A mail that was sent leaves an effect, and no rows."""
    assert problems(nothing_lost, replace(GOOD, effects=[effect(), effect(step="notify")])) == []


def test_an_effect_that_stands_twice_is_doubled() -> None:
    """The finding says how often the ledger has it."""
    (finding,) = nothing_doubled(replace(GOOD, effects=[effect(), effect(transaction=701)])).findings
    assert (finding.problem, finding.item) == ("doubled", "0")
    assert finding.message.startswith("the ledger has it 2 times, undone 0 times")


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        ([effect(), effect(kind=UNDONE), effect()], []),
        ([effect(), effect(kind=UNDONE)], ["uncompensated"]),
        ([effect(kind=UNDONE)], []),
        ([effect(), effect(), effect(), effect(kind=UNDONE)], ["doubled"]),
        ([effect("0"), effect("1")], []),
    ],
)
def test_a_compensation_undoes_one_effect(effects: list[Effect], expected: list[str]) -> None:
    """What was done, undone and done again counts once; what was undone has no rows; a tombstone doubles nothing."""
    assert problems(nothing_doubled, replace(GOOD, effects=effects)) == expected


def test_surplus_rows_are_doubled() -> None:
    """Though the ledger has the effect once."""
    assert problems(nothing_doubled, replace(GOOD, facts=[fact(found=200)])) == ["doubled"]


def test_an_effect_without_rows_where_none_are_expected_is_well() -> None:
    """A chunk may be empty: what stands there is in nobody's way."""
    assert problems(nothing_doubled, replace(GOOD, facts=[fact(expected=0, found=0)])) == []


def test_rows_alone_can_show_that_nothing_is_doubled() -> None:
    """A target without a ledger is judged by its rows; with neither, nothing is known."""
    assert nothing_doubled(replace(GOOD, effects=None)).verdict is Verdict.VALID
    judgement = nothing_doubled(replace(GOOD, effects=None, facts=[]))
    assert (judgement.verdict, judgement.reason) == (
        Verdict.UNKNOWN,
        "neither a ledger nor business rows were observed",
    )


def test_rows_of_another_transaction_than_the_ledger_are_torn() -> None:
    """The finding names both."""
    (finding,) = effects_are_atomic(replace(GOOD, facts=[fact(transactions=(701,))])).findings
    assert finding.problem == "torn"
    assert "transaction 701, the ledger by 700" in finding.message


def test_transactions_are_compared_modulo_two_to_the_thirty_second() -> None:
    """A row keeps 32 bits of the id, the ledger all of them: the same transaction after a wraparound."""
    wrapped = effect(transaction=3 * TRANSACTION_SPACE + 700)
    assert TRANSACTION_SPACE == 2**32
    assert problems(effects_are_atomic, replace(GOOD, effects=[wrapped])) == []
    assert problems(effects_are_atomic, replace(GOOD, effects=[effect(transaction=TRANSACTION_SPACE + 701)])) == [
        "torn"
    ]


def test_rows_the_ledger_knows_nothing_of_are_phantoms() -> None:
    """They were written by a transaction that claimed nothing."""
    assert problems(effects_are_atomic, replace(GOOD, effects=[effect("9")])) == ["phantom"]


def test_rows_written_in_two_transactions_are_torn() -> None:
    """Half of them could have been lost."""
    assert problems(effects_are_atomic, replace(GOOD, facts=[fact(transactions=(700, 701))])) == ["torn"]


@pytest.mark.parametrize(
    "records", [replace(GOOD, effects=None), replace(GOOD, facts=[fact(transactions=())]), replace(GOOD, facts=[])]
)
def test_atomicity_is_unknown_where_transactions_are(records: Records) -> None:
    """Without a ledger, or where the store does not tell, nothing can be said."""
    assert effects_are_atomic(records).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("completed", []),
        ("continued_as_new", []),
        ("running", ["open"]),
        ("failed", ["bad_end"]),
        ("terminated", ["bad_end"]),
    ],
)
def test_workflows_end_as_their_scenario_allows(status: str, expected: list[str]) -> None:
    """By default they complete; a run that continued as another is no end."""
    assert problems(every_workflow_closed, replace(GOOD, workflows=[workflow(status=status)])) == expected


def test_a_scenario_may_allow_other_ends_instead() -> None:
    """A scenario that must be cancelled finds a completed workflow wrong."""
    ends = {"slice": frozenset({"canceled"})}
    allowed = replace(GOOD, workflows=[workflow(status="canceled")], ends=ends)
    assert problems(every_workflow_closed, allowed) == []
    (finding,) = every_workflow_closed(replace(GOOD, ends=ends)).findings
    assert finding.message == "Pipeline ended completed; allowed: canceled, continued_as_new"


@pytest.mark.parametrize("cause", ["UNHANDLED_COMMAND", "RESET_WORKFLOW", "FORCE_CLOSE_COMMAND"])
def test_workflow_tasks_of_healthy_workflows_fail_too(cause: str) -> None:
    """A signal that came while closing, and a reset, are harmless."""
    assert problems(no_task_failed, replace(GOOD, workflows=[workflow(failures=(cause,))])) == []


@pytest.mark.parametrize("cause", ["NON_DETERMINISTIC_ERROR", "WORKFLOW_WORKER_UNHANDLED_FAILURE"])
def test_a_workflow_task_failed_for_a_bad_cause_though_the_workflow_completed(cause: str) -> None:
    """Every one is found, with its event, beside harmless ones."""
    failing = workflow(failures=("RESET_WORKFLOW", cause))
    (finding,) = no_task_failed(replace(GOOD, workflows=[failing])).findings
    assert (finding.problem, finding.message) == ("task_failed", f"event 5: {cause}: told")


def test_a_refused_start_is_found() -> None:
    """The others being served does not excuse it."""
    operations = [operation(), operation("other", ack=Ack.FAIL)]
    assert problems(operations_answered, replace(GOOD, operations=operations)) == ["refused"]


def test_an_unanswered_call_leaves_the_verdict_open() -> None:
    """Nobody knows whether it happened: unknown, with how many and which."""
    operations = [operation(), operation(kind=Kind.RESULT, ack=Ack.INFO)]
    judgement = operations_answered(replace(GOOD, operations=operations))
    assert (judgement.verdict, judgement.checked) == (Verdict.UNKNOWN, 2)
    assert judgement.reason == f"calls whose fate is not known: 1; the first: result {WORKFLOW}"


def test_a_run_in_which_nothing_worked_is_never_valid() -> None:
    """All unanswered is worse than some unanswered."""
    operations = [operation(ack=Ack.INFO), operation(kind=Kind.SIGNAL, ack=Ack.FAIL)]
    assert problems(operations_answered, replace(GOOD, operations=operations)) == ["nothing_worked"]


def test_what_prepared_a_load_does_not_make_it_work() -> None:
    """It came before, and was acknowledged: of the load itself nothing was."""
    prepared, failed = replace(operation(), scenario="reference"), operation(ack=Ack.INFO)
    load = LoadInfo(began=10.0, duration=20.0, rate=1.0, arrivals="constant", shares={"slice": 1.0})
    assert problems(operations_answered, replace(GOOD, operations=[prepared, failed], load=load)) == ["nothing_worked"]
    assert problems(operations_answered, replace(GOOD, operations=[prepared], load=load)) == []


@pytest.mark.parametrize(
    ("windows", "verdict"),
    [
        ([window()], Verdict.VALID),
        ([window(), window(felt=0)], Verdict.UNKNOWN),
        ([window(in_force=False)], Verdict.UNKNOWN),
        ([window(in_force=False, felt=0)], Verdict.UNKNOWN),
    ],
)
def test_a_fault_bites_when_it_is_in_force_and_felt(windows: list[FaultWindow], verdict: Verdict) -> None:
    """One that did not bite proves nothing: unknown, and never valid."""
    assert faults_bit(replace(GOOD, faults=windows)).verdict is verdict


def test_why_a_fault_did_not_bite_is_told() -> None:
    """Never in force, with the evidence; or met by nothing."""
    judgement = faults_bit(replace(GOOD, faults=[window(in_force=False), window(felt=0)]))
    assert judgement.checked == 2
    assert judgement.reason == (
        "link_down on worker-1.postgres: never in force (it answered in 4 ms); "
        "link_down on worker-1.postgres: nothing met it"
    )


@pytest.mark.parametrize(
    ("begun", "why"),
    [
        (("order.pay",), "nothing met it"),
        (("order.open", "order.pay_for"), "nothing met it: no such activity was begun, but order.open, order.pay_for"),
        ((), "nothing met it: no such activity was begun, but none at all"),
    ],
)
def test_a_point_of_an_activity_that_there_is_not_is_told(begun: tuple[str, ...], why: str) -> None:
    """With those that there were: its name may be misspelt."""
    point = replace(window(felt=0, on="order.pay"), name="point after_commit")
    activities = tuple(
        Activity(
            type=each,
            activity_id="1",
            scheduled=1.0,
            started=None,
            closed=None,
            attempts=0,
            worker="",
            last_failure=None,
        )
        for each in begun
    )
    judgement = faults_bit(replace(GOOD, faults=[point], workflows=[workflow(activities=activities)]))
    assert judgement.reason == f"point after_commit on order.pay: {why}"


def test_a_start_found_never_to_have_happened_did_no_harm() -> None:
    """Nobody answered it, and the server never knew it: that is no refusal, and nothing is left open."""
    never = operation(ack=Ack.FAIL, acknowledged=None)
    assert operations_answered(replace(GOOD, operations=[operation(), never])).verdict is Verdict.VALID


def test_an_effect_without_a_transaction_says_nothing_of_its_rows() -> None:
    """A source that does not tell transactions makes no rows a phantom: there was nothing to compare."""
    judgement = effects_are_atomic(replace(GOOD, effects=[effect(transaction=None)], facts=[fact()]))
    assert (judgement.verdict, judgement.checked) == (Verdict.UNKNOWN, 0)


def test_a_compensation_in_a_later_transaction_tears_nothing() -> None:
    """Rows belong to the transaction of the forward effect; undoing it later is another one."""
    undone = effect(kind=EffectKind.COMPENSATION, transaction=900)
    assert effects_are_atomic(replace(GOOD, effects=[effect(), undone], facts=[fact()])).verdict is Verdict.VALID


def test_a_ledger_and_faults_bring_invariants_of_their_own() -> None:
    """What no run without them could break is not asked of it."""
    assert applicable(replace(GOOD, effects=None)) == INVARIANTS
    assert applicable(replace(GOOD, effects=[])) == (*INVARIANTS, effects_are_atomic)
    assert applicable(replace(GOOD, effects=[], faults=[window()])) == (*INVARIANTS, effects_are_atomic, faults_bit)
