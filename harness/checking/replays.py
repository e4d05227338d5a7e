"""The invariant of determinism: what was done is what the code would do again."""

from harness.checking.invariants import Records, as_judgement, unknown
from harness.records.verdicts import Finding, Judgement

NAME = "histories replay"


def histories_replay(records: Records) -> Judgement:
    """Every history that was replayed with today's code gives the same commands, arguments and all."""
    if records.replays is None:
        return unknown(NAME, "no history was replayed")
    findings = [
        Finding(problem="replays_differently", message="\n".join(replay.differs), workflow_id=replay.workflow_id)
        for replay in records.replays
        if replay.differs
    ]
    return as_judgement(NAME, len(records.replays), findings)
