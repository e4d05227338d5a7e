"""A waiver lets a failure pass for a while, and hides nothing."""

from datetime import date

import pytest

from harness.checking.objectives import gate
from harness.checking.waivers import Waiver, not_needed, waive
from harness.records.verdicts import ObjectiveResult, ObjectiveVerdict, Verdict

HOLDS, FAILS, UNKNOWN = ObjectiveVerdict.HOLDS, ObjectiveVerdict.FAILS, ObjectiveVerdict.UNKNOWN
LAST = date(2026, 12, 31)
ANY = Waiver(metric="m", reason="the new pool is not in yet", until=LAST)


def result(verdict: ObjectiveVerdict, *, name: str = "m", hard: bool = True) -> ObjectiveResult:
    return ObjectiveResult(name=name, title=name, hard=hard, threshold="", measured="", value=None, verdict=verdict)


@pytest.mark.parametrize("verdict", [FAILS, UNKNOWN])
def test_it_opens_the_gate_and_the_verdict_stays(verdict: ObjectiveVerdict) -> None:
    """What failed has failed, and says why that is let pass, and until when."""
    (waived,) = waive([result(verdict)], [ANY], LAST)
    assert (waived.verdict, waived.waived) == (verdict, "until 2026-12-31: the new pool is not in yet")
    assert gate([waived]) is gate([waived], strict=True) is Verdict.VALID
    assert gate([waived, result(FAILS, name="other")]) is Verdict.INVALID


@pytest.mark.parametrize("verdict", [FAILS, UNKNOWN])
def test_the_day_after_its_last_it_lets_nothing_pass(verdict: ObjectiveVerdict) -> None:
    """And says so."""
    (expired,) = waive([result(verdict)], [ANY], date(2027, 1, 1))
    assert (expired.waived, expired.note) == ("", "its waiver expired on 2026-12-31: the new pool is not in yet")
    assert gate([expired]) is not Verdict.VALID


def test_it_is_for_its_own_metric_alone() -> None:
    """Must and aim of it; and of no other."""
    waived = waive([result(FAILS), result(FAILS, hard=False), result(FAILS, name="other")], [ANY], LAST)
    assert [bool(each.waived) for each in waived] == [True, True, False]


def test_it_may_be_for_one_verdict_alone() -> None:
    """What nobody knows is let pass, and a failure is not; or the other way."""
    for only, other in ((UNKNOWN, FAILS), (FAILS, UNKNOWN)):
        waiver = Waiver(metric="m", reason="why", until=LAST, verdict="unknown" if only is UNKNOWN else "fails")
        waived = waive([result(only), result(other)], [waiver], LAST)
        assert [bool(each.waived) for each in waived] == [True, False]


def test_of_two_the_one_that_lasts_longer_counts() -> None:
    """An older one that has expired is no obstacle."""
    older = Waiver(metric="m", reason="before", until=date(2026, 1, 1))
    (waived,) = waive([result(FAILS)], [older, ANY], LAST)
    assert waived.waived.startswith("until 2026-12-31")


def test_one_that_is_not_needed_is_told() -> None:
    """Where everything of its metric holds; while anything of it fails, it is needed."""
    (told,) = not_needed(waive([result(HOLDS)], [ANY], LAST), [ANY])
    assert (told.waived, told.note) == ("", "its waiver until 2026-12-31 is not needed")
    results = waive([result(HOLDS), result(FAILS, hard=False)], [ANY], LAST)
    assert [each.note for each in not_needed(results, [ANY])] == ["", ""]
    other = result(HOLDS, name="other")
    assert not_needed([other], [ANY]) == [other]


def test_one_without_a_reason_is_refused() -> None:
    """A blank is none."""
    with pytest.raises(ValueError, match="the waiver of 'm' has no reason"):
        Waiver(metric="m", reason="  ", until=LAST)
