"""Which invariants a run is judged by."""

from harness.checking.cancelling import cancelled_as_told, was_told
from harness.checking.fencing import could_be_superseded, superseded_write_nothing
from harness.checking.healed import well_after_heal
from harness.checking.invariants import INVARIANTS, Invariant, Records, effects_are_atomic, faults_bit
from harness.checking.journal import ledger_agrees_with_journal
from harness.checking.load import sent_on_time
from harness.checking.outside import one_call_an_attempt, one_key_an_effect
from harness.checking.phantoms import nothing_without_a_workflow
from harness.checking.recovered_in_time import recovered_in_time
from harness.checking.replays import histories_replay
from harness.checking.sessions import connections_are_clean
from harness.checking.steady import steady_before
from harness.records.effects import Source


def applicable(records: Records) -> tuple[Invariant, ...]:
    """Those of every run; and those of what not every run has: a ledger, an outside, retries, a load, faults, ….

    A fault may leave a connection in any state: then they are not judged.
    """
    has_ledger = records.effects is not None and records.source is Source.LEDGER
    of_ledger = (effects_are_atomic,) if has_ledger else ()
    of_journal = (ledger_agrees_with_journal,) if has_ledger and records.journal is not None else ()
    of_outside = (one_key_an_effect, one_call_an_attempt) if records.calls else ()
    of_sessions = (connections_are_clean,) if records.sessions and not records.faults else ()
    of_cancelled = (cancelled_as_told,) if any(map(was_told, records.workflows)) else ()
    timed = records.load and (not records.load.closed or records.load.stopped is not None)
    of_load = (sent_on_time,) if timed else ()
    of_faults = (faults_bit,) if records.faults else ()
    of_experiment = (steady_before,) if records.experiment and records.load else ()
    of_recovery = (recovered_in_time,) if of_experiment and records.faults else ()
    of_effects = (nothing_without_a_workflow,) if records.effects else ()
    of_attempts = (superseded_write_nothing,) if could_be_superseded(records) else ()
    of_replays = (histories_replay,) if records.replays else ()
    of_heal = (well_after_heal,) if records.faults and records.experiment and records.experiment.recovery.last else ()
    return (
        *INVARIANTS,
        *of_ledger,
        *of_journal,
        *of_outside,
        *of_sessions,
        *of_cancelled,
        *of_load,
        *of_faults,
        *of_effects,
        *of_attempts,
        *of_replays,
        *of_experiment,
        *of_heal,
        *of_recovery,
    )
