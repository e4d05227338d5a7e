"""The decisions about batches, as pure functions."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system.tasks.models import Counts, Item, State
from system.tasks.rules import (
    FULL_HISTORY,
    content_key,
    cycle,
    doubled,
    is_full,
    ordered,
    refusal,
    turns,
    unaccounted,
    why_not_again,
)

Needs = dict[str, tuple[str, ...]]


@st.composite
def graphs(draw: st.DrawFn) -> Needs:
    """Items of which each needs any others, itself included: circles are likely."""
    keys = [f"k{number}" for number in range(draw(st.integers(1, 12)))]
    return {key: tuple(draw(st.lists(st.sampled_from(keys), max_size=3))) for key in draw(st.permutations(keys))}


@st.composite
def acyclic_graphs(draw: st.DrawFn) -> Needs:
    """Items of which each needs only ones drawn before it; then shuffled."""
    keys = [f"k{number}" for number in range(draw(st.integers(1, 15)))]
    needs = {
        key: tuple(draw(st.lists(st.sampled_from(keys[:number]), max_size=4)) if number else ())
        for number, key in enumerate(keys)
    }
    return {key: needs[key] for key in draw(st.permutations(keys))}


@given(acyclic_graphs())
def test_every_item_comes_after_what_it_needs(needs: Needs) -> None:
    """The order has each item once, behind all it needs; no circle is found, and nothing is refused."""
    order = ordered(needs)
    assert sorted(order) == sorted(needs)
    place = {key: number for number, key in enumerate(order)}
    assert all(place[one] < place[key] for key, needed in needs.items() for one in needed)
    assert cycle(needs) == []
    assert refusal(needs) is None


@given(graphs())
def test_a_circle_is_always_found_and_is_one(needs: Needs) -> None:
    """Whatever cannot be ordered has a circle; what is named as one needs each other, all round."""
    found = cycle(needs)
    assert bool(found) == (len(ordered(needs)) < len(needs))
    assert all(after in needs[key] for key, after in zip(found, [*found[1:], *found[:1]], strict=True))
    assert len(set(found)) == len(found)


def test_items_without_needs_stay_in_their_order() -> None:
    """What is submitted first goes first."""
    assert ordered({"c": (), "a": (), "b": ()}) == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("needs", "says"),
    [
        ({"a": ("b",), "b": ("c",), "c": ("a",)}, "in a circle: 'a' → 'b' → 'c' → 'a'"),
        ({"a": ("a",)}, "in a circle: 'a' → 'a'"),
        ({"a": ("b",)}, "item 'a' needs 'b', and the batch has no such item"),
        ({f"k{n:02}": (f"k{(n + 1) % 20:02}",) for n in range(20)}, "'k11' → … 8 more → 'k00'"),
        ({f"k{n:02}": (f"k{(n + 1) % 13:02}",) for n in range(13)}, "'k11' → … 1 more → 'k00'"),
        ({f"k{n:02}": (f"k{(n + 1) % 12:02}",) for n in range(12)}, "'k11' → 'k00'"),
    ],
)
def test_a_refusal_names_the_items(needs: Needs, says: str) -> None:
    """The circle, or what dangles; a long circle is cut short."""
    assert says in str(refusal(needs))


def test_a_key_that_is_there_twice_is_found() -> None:
    """And only then."""
    assert doubled(["a", "b", "a"]) == "a"
    assert doubled(["a", "b"]) is None


@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.booleans(), st.none())), st.randoms())
def test_equal_content_has_one_key(content: dict[str, object], rng: object) -> None:
    """Whatever the order of its fields; another version, handler or value has another key."""
    names = list(content)
    rng.shuffle(names)  # type: ignore[attr-defined]  # hypothesis types it as an object
    key = content_key("h", 1, content)
    assert content_key("h", 1, {name: content[name] for name in names}) == key
    others = {content_key("h", 2, content), content_key("g", 1, content), content_key("h", 1, {**content, "new": 1})}
    assert key not in others
    assert len(others) == 3


def test_keys_of_results_are_the_same_in_every_version() -> None:
    """Results are found by them in the database: what an earlier version stored must be found."""
    key = content_key("tasks.fetch", 2, {"b": [1, None], "a": "é"})
    assert key == sha256('["tasks.fetch",2,{"a":"é","b":[1,null]}]'.encode()).digest()


@given(st.tuples(*[st.integers(0, 50)] * 4))
def test_what_adds_up_is_accounted_for(ends: tuple[int, int, int, int]) -> None:
    """Inputs = done + failed + cancelled + skipped, in the rows and in the ledger; one more or less is found."""
    done, failed, cancelled, skipped = ends
    counts = Counts(done=done, failed=failed, cancelled=cancelled, skipped=skipped)
    settled = failed + cancelled + skipped
    assert unaccounted(sum(ends), counts, run=done, settled=settled) is None
    for wrong in (
        unaccounted(sum(ends) + 1, counts, run=done, settled=settled),
        unaccounted(sum(ends), counts, run=done + 1, settled=settled),
        unaccounted(sum(ends), counts, run=done, settled=settled + 1),
        unaccounted(sum(ends), counts.model_copy(update={"running": 1}), run=done, settled=settled),
        unaccounted(sum(ends), counts.model_copy(update={"waiting": 1}), run=done, settled=settled),
    ):
        assert wrong is not None


def test_a_history_is_full_at_its_mark_or_when_the_server_says_so() -> None:
    """Whichever comes first."""
    assert is_full(FULL_HISTORY, suggested=False)
    assert is_full(1, suggested=True)
    assert not is_full(FULL_HISTORY - 1, suggested=False)


def test_tenants_take_turns_by_weight_within_a_priority() -> None:
    """However many items the one has that came first; triple weight has three turns to the other's one."""
    large = [Item(key=f"large-{number}", handler="h", tenant="large") for number in range(100)]
    small = [Item(key=f"small-{number}", handler="h", tenant="small", weight=4) for number in range(8)]
    items = [*large, *small]
    found = turns(items)
    order = [item.key for _, item in sorted(zip(found, items, strict=True), key=lambda pair: pair[0])]
    assert max(order.index(item.key) for item in small) == 9
    assert turns([Item(key="urgent", handler="h", tenant="large", priority=1)]) == [1.0]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("failed", ""),
        ("done", "the item is done all the same, by an attempt whose completion was lost"),
        ("running", "its batch is still at the item: look again once the batch has ended"),
        ("waiting", "its batch is still at the item: look again once the batch has ended"),
        ("cancelled", "the item was cancelled by its batch: submit it in a new one, then discard this letter"),
        ("skipped", "the item was skipped by its batch: submit it in a new one, then discard this letter"),
    ],
)
def test_only_what_has_failed_by_its_batch_is_run_again(state: State, says: str) -> None:
    """Anything else is done, is about to be run, or was not meant to be."""
    assert why_not_again(state) == says
