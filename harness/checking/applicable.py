"""Which invariants a run is judged by."""

from harness.checking.cancelling import cancelled_as_told, was_told
from harness.checking.invariants import INVARIANTS, Invariant, Records, effects_are_atomic, faults_bit
from harness.checking.load import sent_on_time
from harness.checking.outside import one_call_an_attempt, one_key_an_effect
from harness.checking.sessions import connections_are_clean
from harness.checking.steady import steady_before


def applicable(records: Records) -> tuple[Invariant, ...]:
    """Those of every run; and of a ledger, an outside, connections, cancelled workflows, a load, faults, experiments.

    A fault may leave a connection in any state: then they are not judged.
    """
    of_ledger = (effects_are_atomic,) if records.effects is not None else ()
    of_outside = (one_key_an_effect, one_call_an_attempt) if records.calls else ()
    of_sessions = (connections_are_clean,) if records.sessions and not records.faults else ()
    of_cancelled = (cancelled_as_told,) if any(map(was_told, records.workflows)) else ()
    of_load = (sent_on_time,) if records.load and not records.load.closed else ()
    of_faults = (faults_bit,) if records.faults else ()
    of_experiment = (steady_before,) if records.experiment and records.load else ()
    return (*INVARIANTS, *of_ledger, *of_outside, *of_sessions, *of_cancelled, *of_load, *of_faults, *of_experiment)
