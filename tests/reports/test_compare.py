"""Runs beside each other: what got worse is told, what may be chance is not, and what is not alike is refused."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import msgspec
import pytest
from compared_runs import GOOD, LOAD, SAME, load_run, times, used
from handwritten_runs import BEGIN, EVIL, cut, iteration, judged, measured, spent, start, workflow, write_run
from msgspec.structs import replace

from harness.checking.compare import Unclear
from harness.records.experiment import ExperimentInfo, Recovery, Steady
from harness.records.fingerprint import Fingerprint
from harness.records.load import LoadInfo
from harness.records.run import Recorded, Run
from harness.records.verdicts import Verdict
from reports.compare import Comparison, NotComparable, Row, Told, compare
from reports.compare_faces import markdown, text
from reports.compare_figures import ALL
from reports.compare_words import in_words, to_json


def compared(*runs: Path, tolerated: float = 0.05, anyway: bool = False) -> Comparison:
    return compare([Recorded(run) for run in runs], tolerated=tolerated, anyway=anyway)


def row(found: Comparison, subject: str, name: str) -> Row:
    (pair,) = found.pairs
    (told,) = [each for each in pair.rows if (each.subject, each.name) == (subject, name)]
    return told


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return load_run(tmp_path_factory.mktemp("base"), times(1))


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another run of the same."""
    return load_run(tmp_path_factory.mktemp("same"), times(2))


def test_of_equal_runs_nothing_is_told(base: Path, same: Path) -> None:
    """Each figure is within what is tolerated, or there is no evidence that it changed."""
    found = compared(base, same)
    assert not found.worse
    told = {each.name: each.told for each in found.pairs[0].rows}
    assert told.pop("response time, p99") in {Told.NO_EVIDENCE, Told.UNCLEAR}
    assert set(told.values()) <= {Told.SAME, Told.NO_EVIDENCE}
    assert "no evidence that anything got better or worse" in in_words(found)
    assert text(found).count("no evidence of change") + text(found).count("no relevant change") >= 6


@pytest.mark.parametrize(("slower", "told"), [(1.3, Told.SLOWER), (0.7, Told.FASTER)])
def test_a_change_is_told_with_its_interval(tmp_path: Path, base: Path, slower: float, told: Told) -> None:
    """Three tenths more or less: the difference, the interval about it, and the word."""
    found = compared(base, load_run(tmp_path, times(2, slower=slower)))
    mean = row(found, "slice", "response time, mean")
    assert mean.told is told
    assert mean.change.base == pytest.approx(0.1, rel=0.1)
    assert mean.change.low is not None
    assert mean.change.high is not None
    assert mean.change.low < 0.1 * (slower - 1) < mean.change.high
    assert row(found, "slice", "response time, p50").told is told
    assert found.worse is (slower > 1)
    assert f"got {'worse' if slower > 1 else 'better'} (slice: response time" in in_words(found)


def test_what_is_tolerated_decides(tmp_path: Path, base: Path) -> None:
    """The same change is slower, and of no relevance to who tolerates as much."""
    other = load_run(tmp_path, times(1, slower=1.1))
    assert row(compared(base, other, tolerated=0), "slice", "response time, mean").told is Told.SLOWER
    tolerant = compared(base, other, tolerated=0.15)
    assert row(tolerant, "slice", "response time, mean").told is Told.SAME
    assert compared(base, other, tolerated=0).worse
    assert not compared(base, other, tolerated=0.5).worse


def test_what_reaches_beyond_the_tolerated_is_no_less_worse(tmp_path: Path, base: Path) -> None:
    """It is surely slower, and not surely by less than is tolerated."""
    found = compared(base, load_run(tmp_path, times(2, slower=1.3)), tolerated=0.3)
    mean = row(found, "slice", "response time, mean")
    assert mean.change.high is not None
    assert mean.change.base is not None
    assert mean.change.high > 0.3 * mean.change.base
    assert mean.told is Told.SLOWER


def test_iterations_that_fail_are_told(tmp_path: Path, base: Path) -> None:
    """One in five without an answer: more failed or unanswered, fewer answered; p95 and p99 lie among them."""
    took, rng = times(2), Random(9)
    found = compared(base, load_run(tmp_path, lambda number: None if rng.random() < 0.2 else took(number)))
    assert row(found, "slice", "failed or unanswered").told is Told.WORSE
    assert row(found, "slice", "answered").told is Told.WORSE
    assert row(found, "slice", "response time, p95").change.unclear is Unclear.UNANSWERED
    assert found.worse
    assert "of 2 figures nothing can be told" in in_words(found)


def test_who_fails_soon_makes_nobody_faster(tmp_path: Path, base: Path) -> None:
    """A failure is no answer, however fast it comes: it is in no response time, and in no throughput."""
    took, fail = times(2), range(0, 1_000, 5)
    found = compared(base, load_run(tmp_path, lambda number: 0.001 if number in fail else took(number), failing=fail))
    for name in ("response time, mean", "response time, p50"):
        told = row(found, "slice", name).change
        assert told.other == pytest.approx(told.base, rel=0.05)
    assert row(found, "slice", "answered").change.other == pytest.approx(8, abs=0.1)
    assert row(found, "slice", "failed or unanswered").change.other == pytest.approx(0.2)


def test_what_is_answered_after_the_load_is_no_throughput(tmp_path: Path, base: Path) -> None:
    """Whoever takes a minute for each answers 40 of 100 seconds' iterations while the load goes on."""
    found = compared(base, load_run(tmp_path, lambda _: 60.0))
    answered = row(found, "slice", "answered").change
    assert answered.base == pytest.approx(10, abs=0.1)
    assert answered.other == pytest.approx(4, abs=0.1)


def test_where_the_mean_is_not_steady_no_percentile_is_told(tmp_path: Path) -> None:
    """One answer in ten takes longer and longer: the median knows nothing of it, and of such a run proves nothing."""
    took = times(1)
    base = load_run(tmp_path, lambda number: took(number) + (number % 10 == 0) * 2)
    growing = load_run(tmp_path, lambda number: took(number) + (number % 10 == 0) * number / 250)
    found = compared(base, growing)
    assert row(found, "slice", "response time, mean").change.unclear is Unclear.TOO_SHORT
    assert row(found, "slice", "response time, p50").change.unclear is Unclear.TOO_SHORT
    assert row(found, "slice", "response time, p50").told is Told.UNCLEAR
    assert row(found, "slice", "answered").told is not Told.UNCLEAR


def test_cpu_and_memory_of_the_workers_are_compared(tmp_path: Path) -> None:
    """All workers together, and each service; the machine as a whole is not."""
    base = load_run(tmp_path, times(1), *used(1))
    found = compared(base, load_run(tmp_path, times(1), *used(2, cpu=70, memory=3e8)))
    cpu, memory = row(found, "workers", "CPU for each iteration"), row(found, "workers", "memory, mean")
    assert (cpu.told, memory.told) == (Told.WORSE, Told.WORSE)
    assert cpu.change.base == pytest.approx(0.1, rel=0.03)
    assert memory.change.base == pytest.approx(4e8, rel=0.03)
    assert row(found, "temporal", "memory, mean").told is Told.WORSE
    assert not [each for each in found.pairs[0].rows if each.subject == "machine"]


def test_measurements_are_compared_by_their_median(tmp_path: Path) -> None:
    """Less time is better, more rows a second are; of a peer neither is, for it is the machine that changed."""

    def taken(seed: int, times: float) -> Path:
        rng = Random(seed)
        samples = [[times * rng.uniform(0.95, 1.05) for _ in range(40)] for _ in range(3)]
        return write_run(
            tmp_path,
            [
                measured("worker_startup", *samples[0]),
                measured("pipeline_throughput", *samples[1], unit="rows/s"),
                measured("bare_worker_startup", *samples[2]),
                measured("copy_throughput", 1.0, 2.0, unit="rows/s"),
            ],
            fingerprint=SAME,
        )

    found = compared(taken(1, 1.0), taken(2, 1.5))
    assert row(found, "worker startup", "median").told is Told.SLOWER
    assert row(found, "pipeline throughput", "median").told is Told.BETTER
    assert row(found, "bare worker startup", "median").told is Told.MORE
    assert row(found, "copy throughput", "median").change.unclear is Unclear.TOO_FEW


def test_the_time_of_recovery_is_shown_and_too_little_to_tell(tmp_path: Path) -> None:
    """One fault is one sample."""

    def broken(after: float) -> Path:
        took = [9 + after - n / 10 if 60 <= n < 90 else 0.1 for n in range(200)]
        records = [op for n in range(200) for op in iteration(n, n / 10, took[n])]
        return write_run(tmp_path, [*records, cut(6, 9)], kind="chaos", load={"slice": (10.0, 20.0)}, fingerprint=SAME)

    found = row(compared(broken(2), broken(4)), "recovery", "after link_down on worker-1, median").change
    assert found.base == pytest.approx(2, abs=0.1)
    assert found.other == pytest.approx(4, abs=0.1)
    assert found.unclear is Unclear.TOO_FEW


def test_where_a_change_comes_from_is_told(tmp_path: Path) -> None:
    """By the anatomy of the workflows: what an iteration spends more on, and what less, the most first."""

    def spending(seed: int, slower: float, **seconds: float) -> Path:
        runs = [replace(workflow(n, 1.0, since=n / 10), anatomy=spent(**seconds)) for n in range(50)]
        children = [replace(run, workflow_id=f"{run.workflow_id}/child", run_id="c") for run in runs]
        begun = replace(workflow(60, None, since=6.0), anatomy=None)
        cold = replace(start(-1, -9.0), warm_up=True), replace(workflow(-1, 9.0), anatomy=spent(retries=9.0))
        return load_run(tmp_path, times(seed, slower=slower), *runs, *children, begun, *cold)

    base = spending(1, 1.0, worker=0.01, activity_execution=0.05, server=0.001)
    found = compared(base, spending(2, 1.4, worker=0.04, activity_execution=0.04, server=0.002))
    told = "spent by slice: 60 ms more waiting for a worker, 20 ms less executing activities, on average"
    assert told in text(found)
    assert told in markdown(found)
    quiet = compared(base, spending(3, 1.0, worker=0.04))
    assert quiet.pairs[0].spent == {}


def test_several_scenarios_are_compared_together_too(tmp_path: Path) -> None:
    """Each for itself may be too few."""

    def mixed(slower: float) -> Path:
        records = []
        for number in range(400):
            name = "slice" if number % 30 else "rare"
            for op in iteration(number, number / 4, slower * (0.1 + number % 7 / 100)):
                records += [replace(op, scenario=name, workflow_id=f"run.{name}.{number}.main")]
        return write_run(
            tmp_path, records, kind="load", load={"slice": (3.9, 100.0), "rare": (0.1, 100.0)}, fingerprint=SAME
        )

    found = compared(mixed(1), mixed(2))
    assert row(found, ALL, "response time, mean").told is Told.SLOWER
    assert row(found, "rare", "response time, mean").change.unclear is Unclear.TOO_FEW
    assert "too few: too few samples to tell" in text(found)
    assert not any(line.startswith("?  rare") for line in text(found).splitlines())


def test_more_runs_are_compared_with_the_first(tmp_path: Path, base: Path, same: Path) -> None:
    """Each has a table; and the more there is to compare, the wider are the intervals."""
    slow = load_run(tmp_path, times(3, slower=1.4))
    found = compared(base, same, slow)
    assert [pair.run for pair in found.pairs] == [same.name, slow.name]
    assert [any(each.told is Told.SLOWER for each in pair.rows) for pair in found.pairs] == [False, True]
    alone = compared(base, slow)
    assert found.compared == 2 * alone.compared
    wide, narrow = (each.pairs[-1].rows[0].change for each in (found, alone))
    assert wide.low is not None
    assert narrow.low is not None
    assert wide.low < narrow.low


OTHER: dict[str, tuple[Callable[[Fingerprint], Fingerprint], str]] = {
    "machine": (lambda it: replace(it, machine="arm64"), "machine"),
    "processor": (lambda it: replace(it, cpu="another, model 7"), "processor"),
    "processor not recorded": (lambda it: replace(it, cpu=""), "processor"),
    "system": (lambda it: replace(it, system="Linux 7"), "system"),
    "cores": (lambda it: replace(it, cores=8), "cores"),
    "memory": (lambda it: replace(it, memory=16 * 2**30), "memory"),
    "python": (lambda it: replace(it, python="3.12.1"), "Python, version"),
    "package": (lambda it: replace(it, packages={"temporalio": "1.36.0"}), "temporalio, version"),
    "provider": (
        lambda it: replace(it, services=(replace(it.services[0], provider="container"), *it.services[1:])),
        "temporal, provider",
    ),
    "version": (
        lambda it: replace(it, services=(replace(it.services[0], version="1.33.0"), *it.services[1:])),
        "temporal, version",
    ),
    "flags": (
        lambda it: replace(it, services=(replace(it.services[0], flags=("GOGC=400",)), *it.services[1:])),
        "temporal, flags",
    ),
    "no service": (lambda it: replace(it, services=it.services[:1]), "redis, provider"),
    "links": (lambda it: replace(it, links=()), "links"),
    "workers": (lambda it: replace(it, workers=3), "workers"),
    "caveats": (lambda it: replace(it, caveats=("It was profiled",)), "caveats"),
}


@pytest.mark.parametrize("what", OTHER)
def test_runs_under_other_conditions_are_refused(tmp_path: Path, base: Path, same: Path, what: str) -> None:
    """What differs is told side by side; --anyway they are compared, and it is told beside the table."""
    change, told = OTHER[what]
    other = altered(same, tmp_path, fingerprint=change(SAME))
    with pytest.raises(NotComparable, match=f"(?m)^  {told}  "):
        compared(base, other)
    found = compared(base, other, anyway=True)
    assert told in [each.what for each in found.pairs[0].differences]
    assert f"! differs: {told}: " in text(found)
    assert f"> **Differs**: {told}: " in markdown(found)


def test_conditions_that_do_not_matter_may_differ(tmp_path: Path, base: Path, same: Path) -> None:
    """Another commit, another port, another start-up time: the commits are told, for they are what is compared."""
    services = tuple(replace(each, address="127.0.0.1:9", startup=9.0, ui="") for each in SAME.services)
    found = compared(base, altered(same, tmp_path, fingerprint=replace(SAME, commit="fedcba", services=services)))
    assert found.pairs[0].differences == ()
    assert "commit abc123def456+ → fedcba" in text(found)


def test_of_lists_only_what_differs_is_told(tmp_path: Path, base: Path, same: Path) -> None:
    """A flag more among many is that flag, and nothing beside it in the other run."""
    temporal = replace(SAME.services[0], flags=(*SAME.services[0].flags, "GOGC=400"))
    other = altered(same, tmp_path, fingerprint=replace(SAME, services=(temporal, *SAME.services[1:])))
    (told,) = compared(base, other, anyway=True).pairs[0].differences
    assert str(told) == "temporal, flags: — | GOGC=400"


def test_conditions_that_nobody_recorded_are_refused(tmp_path: Path) -> None:
    """Also where neither run has any: nobody knows that they are the same."""
    unknown = [load_run(tmp_path, times(seed), fingerprint=None) for seed in (1, 2)]
    with pytest.raises(NotComparable, match=r"conditions +not recorded +not recorded"):
        compared(*unknown)


LOADS: dict[str, tuple[dict[str, object], str]] = {
    "rate": ({"rate": 11.0}, "load, rate"),
    "arrivals": ({"arrivals": "poisson"}, "load, arrivals"),
    "duration": ({"duration": 90.0}, "load, duration"),
    "warm-up": ({"warm_up": 5.0}, "load, warm-up"),
    "shares": ({"shares": {"slice": 0.5, "other": 0.5}}, "load, shares of slice"),
    "tenants": ({"tenants": {"one": 1.0}}, "load, tenants of one"),
    "users": ({"users": 3}, "load, users"),
    "processes": ({"processes": 2}, "load, processes"),
    "ends": ({"ends": {"slice": ("failed",)}}, "load, ends of slice"),
}


@pytest.mark.parametrize("what", LOADS)
def test_runs_of_another_load_are_refused(tmp_path: Path, base: Path, same: Path, what: str) -> None:
    """Each thing that makes a load another one is named; --anyway they are compared, each for itself."""
    fields, told = LOADS[what]
    other = altered(same, tmp_path, load=fields)
    with pytest.raises(NotComparable, match=f"(?m)^  {told}  "):
        compared(base, other)
    assert compared(base, other, anyway=True).pairs[0].differences


@pytest.mark.parametrize(
    ("fields", "told"), [({"seed": 8}, "seed"), ({"kind": "soak"}, "kind of run"), ({"target": "mine"}, "target")]
)
def test_runs_of_another_kind_seed_or_target_are_refused(
    tmp_path: Path, base: Path, same: Path, fields: dict[str, object], told: str
) -> None:
    """They did not do the same."""
    with pytest.raises(NotComparable, match=f"(?m)^  {told}  "):
        compared(base, altered(same, tmp_path, fields=fields))


def test_when_a_load_began_does_not_matter(tmp_path: Path, base: Path, same: Path) -> None:
    """Nor how late its generator was allowed to be."""
    later = {"began": BEGIN - 1.0, "lag_budget": 1.0}
    assert compared(base, altered(same, tmp_path, load=later)).pairs[0].differences == ()


def test_another_experiment_is_refused(tmp_path: Path) -> None:
    """Other faults, or the same at other times."""

    def broken(toml: str) -> Path:
        directory = load_run(tmp_path, times(1), kind="chaos")
        told = ExperimentInfo(name="cut", title="", expect="", steady=Steady(), recovery=Recovery(), toml=toml)
        with Run(directory, Recorded(directory).info) as run:
            run.write_experiment(told)
        return directory

    with pytest.raises(NotComparable, match=r"(?m)^  experiment  "):
        compared(broken("at = 1"), broken("at = 2"))
    assert compared(broken("at = 1"), broken("at = 1")).pairs[0].differences == ()


def test_a_run_that_was_cut_off_is_refused(tmp_path: Path, base: Path) -> None:
    """--anyway it is compared, as far as it goes."""
    other = load_run(tmp_path, times(2), ended=False)
    with pytest.raises(NotComparable, match="was cut off before its end"):
        compared(base, other)
    assert compared(base, other, anyway=True).pairs


def test_a_void_load_is_refused_in_any_case(tmp_path: Path, base: Path) -> None:
    """Its figures are those of the generator."""
    void = judged("sent on time", Verdict.UNKNOWN, reason="the load is void: it was late")
    other = load_run(tmp_path, times(2), judgements=[*GOOD, void])
    for anyway in (False, True):
        with pytest.raises(NotComparable, match=f"{other.name} means nothing: the load is void: it was late"):
            compared(base, other, anyway=anyway)


def test_a_run_beside_itself_is_refused(base: Path) -> None:
    """It is one, however often it is named."""
    with pytest.raises(NotComparable, match="is named twice"):
        compared(base, base)


def test_runs_with_nothing_to_compare_are_refused(tmp_path: Path) -> None:
    """Two runs of scenarios without load or measurements."""
    runs = [write_run(tmp_path, [start(0, 0)], kind="scenario", fingerprint=SAME) for _ in range(2)]
    with pytest.raises(NotComparable, match="Nothing that can be compared was measured both"):
        compared(*runs)


def test_what_only_one_run_has_is_told(tmp_path: Path, base: Path) -> None:
    """It is in no table, and not forgotten."""
    found = compared(base, load_run(tmp_path, times(2), measured("worker_startup", 1.0)))
    assert found.pairs[0].alone == ("worker startup",)
    assert "in one of them alone: worker startup" in text(found)


def test_json_has_every_figure(tmp_path: Path, base: Path) -> None:
    """With the ends of its interval, what is told, and the sentence."""
    told = json.loads(to_json(compared(base, load_run(tmp_path, times(2, slower=1.3)))))
    assert told["worse"] is True
    assert "got worse" in told["words"]
    mean = next(each for each in told["pairs"][0]["rows"] if each["name"] == "response time, mean")
    assert mean["told"] == "slower"
    assert 0 < mean["change"]["low"] < mean["change"]["high"]


def test_the_table_is_aligned_and_what_got_worse_comes_first(tmp_path: Path, base: Path) -> None:
    """Every column begins at the same place in every line."""
    lines = text(compared(base, load_run(tmp_path, times(2, slower=1.3)))).splitlines()
    table = lines[2:11]
    place = table[0].index("told")
    assert {line[place - 1] for line in table} == {" "}
    assert table[2].startswith("✗  slice: ")
    assert [line[0] for line in table[2:]] == sorted((line[0] for line in table[2:]), key="✗✓!=·?".index)


def test_markdown_has_a_row_for_each_figure(tmp_path: Path, base: Path, same: Path) -> None:
    """And the answer as its heading."""
    told = markdown(compared(base, load_run(tmp_path, times(2, slower=1.3))))
    assert told.startswith("## Something got worse\n")
    assert "| ✗ | slice: response time, mean | " in told
    assert markdown(compared(base, same)).startswith("## Nothing is known to have got worse\n")


def test_what_was_recorded_steers_neither_terminal_nor_markdown(tmp_path: Path) -> None:
    """Names and versions are shown as words."""

    def evil(name: str) -> Path:
        conditions = replace(SAME, python=f"\x1b[2J|{EVIL}{name}")
        return load_run(tmp_path, times(1), measured(f"\x1b[2J|{EVIL}", 1.0), fingerprint=conditions)

    runs = evil("a"), evil("b")
    with pytest.raises(NotComparable) as refused:
        compared(*runs)
    found = compared(*runs, anyway=True)
    assert "\x1b" not in str(refused.value) + text(found) + markdown(found)
    assert "<script>" not in markdown(found)
    assert "\\|" in markdown(found)


def altered(
    run: Path,
    beside: Path,
    *,
    fingerprint: Fingerprint | None = None,
    load: Mapping[str, object] | None = None,
    fields: Mapping[str, object] | None = None,
) -> Path:
    """A copy of a run, with other conditions, or other fields in its run.json."""
    copy = Path(shutil.copytree(run, beside / run.name))
    info = json.loads((copy / "run.json").read_text()) | dict(fields or {})
    info["load"] |= dict(load or {})
    (copy / "run.json").write_text(json.dumps(info))
    if fingerprint is not None:
        (copy / "fingerprint.json").write_bytes(msgspec.json.encode(fingerprint))
    return copy


def test_the_loads_of_these_tests_are_the_same() -> None:
    """What is changed above is all there is to a load."""
    told = {field for fields, _ in LOADS.values() for field in fields}
    assert told | {"began", "lag_budget", "stopped", "think"} == set(LoadInfo.__struct_fields__)
    assert LOAD
