"""The plan: what is to be done so that the schedules there are become the declared ones."""

from collections.abc import Iterable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from system.scheduling.models import Mark
from system.scheduling.rules import Existing, Step, plan, remaining

IDS = st.sampled_from("abcdef")
DIGESTS = st.sampled_from(("one", "two"))
MARKS = st.one_of(st.none(), DIGESTS.map(lambda digest: Mark(digest=digest)))
OWN = st.builds(Existing, owner=st.just("file"), mark=MARKS)
FOREIGN = st.builds(Existing, owner=st.sampled_from((None, "other")), mark=MARKS)
DECLARED = st.dictionaries(IDS, DIGESTS)


def done(steps: Iterable[Step], declared: Mapping[str, str], before: Mapping[str, Existing]) -> dict[str, Existing]:
    """The schedules there are once the steps are done."""
    after = dict(before)
    for step in steps:
        if step.doing == "delete":
            del after[step.id]
        elif step.doing in {"create", "update"}:
            after[step.id] = Existing("file", Mark(digest=declared[step.id]))
    return after


@given(DECLARED, st.dictionaries(IDS, st.one_of(OWN, FOREIGN)))
def test_a_plan_leads_to_what_is_declared(declared: dict[str, str], before: dict[str, Existing]) -> None:
    """This file's schedules are exactly the declared ones, but for those that are somebody else's; these stay."""
    steps = plan("file", declared, before, prune=True)
    after = done(steps, declared, before)
    refused = {step.id for step in steps if step.doing == "refuse"}
    own = {each: one.mark.digest for each, one in after.items() if one.owner == "file" and one.mark}
    assert own == {each: digest for each, digest in declared.items() if each not in refused}
    foreign = {each: one for each, one in before.items() if one.owner != "file"}
    assert {each: one for each, one in after.items() if one.owner != "file"} == foreign
    assert refused == foreign.keys() & declared.keys()


@given(DECLARED, st.dictionaries(IDS, OWN), st.booleans())
def test_a_plan_carried_out_leaves_nothing_to_do(
    declared: dict[str, str], before: dict[str, Existing], prune: bool
) -> None:
    """Applied twice, the second time changes nothing."""
    after = done(plan("file", declared, before, prune=prune), declared, before)
    assert {step.doing for step in plan("file", declared, after, prune=prune)} <= {"unchanged"}


@given(DECLARED, st.dictionaries(IDS, OWN))
def test_without_pruning_nothing_is_deleted(declared: dict[str, str], before: dict[str, Existing]) -> None:
    """What is no longer declared stays."""
    assert all(step.doing != "delete" for step in plan("file", declared, before, prune=False))


def test_somebody_elses_schedule_is_refused_with_a_reason() -> None:
    """Made by hand, or by another file."""
    by_hand, other = Existing(None, None), Existing("other", Mark(digest="one"))
    steps = plan("file", {"a": "one", "b": "one"}, {"a": by_hand, "b": other}, prune=True)
    assert [(step.doing, step.reason.partition(":")[0]) for step in steps] == [
        ("refuse", "somebody made it by hand"),
        ("refuse", "it is declared by 'other'"),
    ]


def test_runs_that_are_left_stay_unless_another_number_is_declared() -> None:
    """An update for another reason does not begin to count anew."""
    assert remaining(5, Mark(digest="d", remaining_actions=5), 2) == 2
    assert remaining(7, Mark(digest="d", remaining_actions=5), 2) == 7
    assert remaining(None, Mark(digest="d", remaining_actions=5), 2) is None
    assert remaining(None, Mark(digest="d"), None) is None
    assert remaining(5, None, None) == 5


def test_each_step_says_why() -> None:
    """As the plan shows it before anything is done."""
    existing = {
        "same": Existing("file", Mark(digest="one")),
        "changed": Existing("file", Mark(digest="old")),
        "unmarked": Existing("file", None),
        "gone": Existing("file", Mark(digest="one")),
    }
    declared = dict.fromkeys(("same", "changed", "unmarked", "new"), "one")
    assert plan("file", declared, existing, prune=True) == (
        Step("same", "unchanged"),
        Step("changed", "update", "its declaration has changed"),
        Step("unmarked", "update", "its declaration has changed"),
        Step("new", "create"),
        Step("gone", "delete", "no longer declared"),
    )
