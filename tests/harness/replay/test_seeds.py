"""Golden histories are replayed in processes of their own, under several hash seeds, cold and warm."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from temporalio.worker import Worker
from told_stories import Child, Story

from harness.environments import fresh_v1
from harness.errors import CannotRun
from harness.replay import golden
from harness.replay.seeds import Outcome, Time, check, seed_dependent
from harness.replay.semantic import SemanticReplayer
from harness.replay.told import told

ROOT = Path(__file__).parent.parent.parent.parent
HISTORIES = ROOT / "tests" / "data" / "histories"
STORIES = ROOT / "tests" / "data" / "stories"
"""Of the workflows of tests/told_stories.py, which start children, as none of the system's does."""

TARGET = """
name = "mixed"
task_queue = "q"
services = ["temporal"]
scenarios = "mixed_up:SCENARIOS"
{replay}
[worker]
command = ["true"]
"""
MIXED_UP = """
from datetime import timedelta

from temporalio import workflow

SCENARIOS = []
NAMES = {"ann", "bob", "cid", "dan", "eve", "fay"}


@workflow.defn(sandboxed=False)
class MixedUp:
    @workflow.run
    async def run(self) -> list[str]:
        await workflow.sleep(timedelta(seconds=1))
        return list(NAMES)


def replay():
    return {"workflows": [MixedUp]}
"""


ENDINGS = {
    "control.Bulk": {"completed", "cancelled"},
    "dead_letters.Digest": {"completed", "cancelled"},
    "dead_letters.Redrive": {"completed", "failed", "cancelled"},
    "orders.Doubt": {"cancelled"},
    "orders.Order": {"completed", "failed", "cancelled"},
    "orders.Stocktake": {"completed", "failed", "cancelled"},
    "pipeline.Pipeline": {"completed", "failed", "cancelled", "terminated"},
    "scheduling.Purge": {"completed", "cancelled"},
    "scheduling.WarmCache": {"completed", "cancelled"},
    "tasks.Batch": {"completed", "failed", "cancelled", "continued"},
}
USED = {"activity", "timer", "signal", "update", "cancel"}
OF_STORIES = {
    "told.Story": {"completed", "failed", "continued"},
    "told.Child": {"completed", "cancelled"},
}
USED_BY_STORIES = {"activity", "timer", "child", "signal", "signals", "update", "cancel", "marker"}


async def checked(target: Path, folder: Path, *seeds: int) -> list[Outcome]:
    return [outcome async for outcome in check(target, folder, seeds)]


@pytest.mark.parametrize(
    ("folder", "endings", "used"), [(HISTORIES, ENDINGS, USED), (STORIES, OF_STORIES, USED_BY_STORIES)]
)
def test_the_golden_histories_cover_every_way_in_which_workflows_go(
    folder: Path, endings: Mapping[str, set[str]], used: set[str]
) -> None:
    """How each ended, and all that they use; a way that is new here belongs into these sets."""
    ways = [(golden.workflow_type(history), golden.covers(history).split("-")) for _, history in golden.read(folder)]
    found: dict[str, set[str]] = {}
    for name, (ending, *_) in ways:
        found.setdefault(name, set()).add(ending)
    assert found == endings
    assert {feature for _, (_, *features) in ways for feature in features} == used


def test_a_golden_history_has_the_name_of_its_way() -> None:
    """So that recording it again takes its place."""
    for folder in (HISTORIES, STORIES):
        for path, history in golden.read(folder):
            assert [path] == [*golden.choose([history])]


async def test_workflows_with_children_do_what_their_golden_histories_say() -> None:
    """Parents and children were recorded once, and are replayed with today's code, in this process."""
    replayer = SemanticReplayer(workflows=[Story, Child])
    for _, history in golden.read(STORIES):
        found = await replayer.replay(history)
        assert list(told(found)) == []
        assert found.compared > 0


async def test_the_system_does_what_its_golden_histories_say() -> None:
    """The upgrade test: histories of every domain's workflows, which were recorded once, and today's code."""
    outcomes = await checked(ROOT / "temper.toml", HISTORIES, 0, 7)
    assert [line for outcome in outcomes for line in outcome.differs] == []
    kinds = {Path(outcome.path).parent.name.partition(".")[0] for outcome in outcomes}
    assert kinds == {"control", "dead_letters", "orders", "pipeline", "scheduling", "tasks"}
    assert {(outcome.seed, outcome.time) for outcome in outcomes} == {
        (0, "cold"), (0, "warm"), (7, "cold"), (7, "warm")
    }  # fmt: skip
    assert all(outcome.compared > 0 for outcome in outcomes if "terminated" not in outcome.path)


async def test_what_depends_on_the_order_of_a_set_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It replays under the seed it was recorded with, and under most others it does not."""
    (tmp_path / "temper.toml").write_text(TARGET.format(replay='replay = "mixed_up:replay"'))
    (tmp_path / "mixed_up.py").write_text(MIXED_UP)
    monkeypatch.syspath_prepend(tmp_path)
    from mixed_up import MixedUp  # type: ignore[import-not-found]  # noqa: PLC0415 written just now

    async with fresh_v1([]) as environment, Worker(environment.client, task_queue="q", workflows=[MixedUp]):
        handle = await environment.client.start_workflow(MixedUp.run, id="mixed", task_queue="q")
        await handle.result()
        golden.write(tmp_path / "histories", golden.choose([await handle.fetch_history()]))
    outcomes = await checked(tmp_path / "temper.toml", tmp_path / "histories", 1, 2, 3)
    lines = [line for outcome in outcomes for line in outcome.differs]
    assert any("completion" in line for line in lines)
    assert any("result[" in line for line in lines)
    (line,) = seed_dependent(outcomes)
    assert line.startswith("MixedUp/completed-timer.json: what is commanded depends on the hash seed")


def test_what_every_seed_finds_does_not_depend_on_it() -> None:
    """Cold and warm are compared with their like."""

    def outcome(seed: int, time: Time, *differs: str) -> Outcome:
        return Outcome(path="a.json", time=time, compared=3, differs=list(differs), seed=seed)

    assert seed_dependent([outcome(0, "cold", "changed"), outcome(1, "cold", "changed"), outcome(0, "warm")]) == []
    assert len(seed_dependent([outcome(0, "cold"), outcome(1, "cold", "changed"), outcome(2, "cold")])) == 1


async def test_a_target_that_does_not_say_how_is_told(tmp_path: Path) -> None:
    """With what to write."""
    (tmp_path / "temper.toml").write_text(TARGET.format(replay=""))
    (tmp_path / "mixed_up.py").write_text("SCENARIOS = []")
    with pytest.raises(CannotRun, match='Add: replay = "module:NAME"'):
        await checked(tmp_path / "temper.toml", HISTORIES, 0)


async def test_a_missing_folder_is_told_at_once(tmp_path: Path) -> None:
    """Before any process is started."""
    with pytest.raises(golden.NoHistories):
        await checked(ROOT / "temper.toml", tmp_path / "none", 0)
