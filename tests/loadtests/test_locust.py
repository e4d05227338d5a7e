"""Locust itself hosts a load: alone, as a master with two workers, with its web UI, and called by its own name."""

import asyncio
import os
import secrets
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import requests
from small_target import standing

from harness.clock import now
from harness.eventually import eventually
from harness.records.hosted import Hosted
from harness.records.operations import Iteration, Kind, Operation
from harness.records.run import Recorded, Run, latest
from harness.records.verdicts import Verdict
from harness.services.ports import free_port
from harness.services.process import Process
from harness.stack import Stack
from harness.target import Target
from harness.testbed import Testbed, Wanted
from loadtests.hosted import Loop, Wish
from loadtests.hosting import LOCUSTFILE, Hosting, LocustFailed, hosted
from reports.html import write_report

TESTS = Path(__file__).parent.parent
SLOW = 60.0
"""Seconds that a busy machine may take for what takes one or two."""

pytestmark = pytest.mark.thorough


@pytest.fixture
def target() -> Target:
    """The small target, as its temper.toml says, on a task queue that no other test shares."""
    read = Target.read(TESTS / "small.toml")
    return Target(read.path, msgspec.structs.replace(read.file, task_queue=f"small-{secrets.token_hex(4)}"))


async def counts_agree(bed: Testbed, found: Hosted, count: int) -> None:
    """The leader's histograms, the run's records and the server have the same number; and all of it is good."""
    recorded = Recorded(bed.run.directory)
    assert len(recorded.read(Iteration)) == len(bed.iterations) == count
    assert {line.call: (line.calls, line.failures) for line in found.lines} == {
        "small-echo: start": (count, 0),
        "small-echo: result": (count, 0),
    }
    judgements = {each.invariant: each for each in await bed.conclude()}
    assert judgements["nothing lost"].verdict is Verdict.VALID
    assert judgements["every workflow closed"].verdict is Verdict.VALID
    assert judgements["every workflow closed"].checked == count
    assert judgements["small-echo: its own check"].checked == count
    assert not judgements["small-echo: its own check"].findings


@pytest.mark.parametrize("arrivals", ["poisson", "trace:times.csv"])
async def test_two_forked_workers_drive_every_arrival_once(
    target: Target, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrivals: str
) -> None:
    """`--processes 2`: each drives its share at its times, and every count agrees with every other.

    A trace is found where whoever starts the load is, and not where the target is.
    """
    monkeypatch.chdir(tmp_path)
    Path("times.csv").write_text("".join(f"{number / 15}\n" for number in range(30)))
    wish = Wish(mix=["small-echo"], rate=15, duration=2, arrivals=arrivals)
    async with standing(target, stack, tmp_path) as bed, bed.workers(1):
        async with hosted(bed, wish, Hosting(processes=2)) as locust:
            found = await locust.loaded()
        planned = wish.load(target).iterations(bed.run.info.id, bed.run.info.seed, found.load.began, {})
        assert bed.iterations == planned
        await counts_agree(bed, found, len(planned))
    assert (found.load.processes, found.stopped) == (2, False)
    assert bed.run.info.load == found.load


async def test_a_process_that_is_lost_is_missed(target: Target, stack: Stack, tmp_path: Path) -> None:
    """The load ends without it; what it did not drive is a finding each, and nobody drives anything twice."""
    wish = Wish(mix=["small-starts"], rate=10, duration=8)
    async with standing(target, stack, tmp_path) as bed, bed.workers(1):
        async with hosted(bed, wish, Hosting(processes=2)) as locust:
            begun = await eventually(Recorded(bed.run.directory).hosted, timeout=SLOW)
            assert begun is not None
            await asyncio.sleep(begun.load.began + 2 - now())
            psutil.Process(locust.process.pid).children()[0].kill()
            found = await locust.loaded()
        judgements = {each.invariant: each for each in await bed.conclude()}
    starts = Counter(op.iteration for op in Recorded(bed.run.directory).read(Operation))
    assert found.stopped
    assert set(starts.values()) == {1}
    lost = set(range(80)) - set(starts)
    assert lost
    assert len({index % 2 for index in lost}) == 1
    silent = [each for each in judgements["small-starts: its own check"].findings if each.problem == "silent"]
    assert len(silent) == len(lost)


async def test_workers_of_their_own_join_a_master(target: Target, stack: Stack, tmp_path: Path) -> None:
    """Started apart, two workers need their master's address and a temper.toml; the locustfile is a user's own."""
    page = (TESTS.parent / "docs" / "load.md").read_text()
    own = tmp_path / "own.py"
    own.write_text(page.partition("```python\n")[2].partition("```")[0].replace("orders-place", "small-echo"))
    wish = Wish(mix=["small-echo"], rate=6, duration=3, loop=Loop.CLOSED)
    hosting = Hosting(machines=2, locustfile=own)
    words = hosting.worker_command().split()[1:]
    workers = [
        Process(f"worker-{number}", [sys.executable, "-m", "locust", *words], log_path=tmp_path / f"{number}.log",
                env={"TEMPER_TARGET": str(TESTS / "small.toml")}, cwd=TESTS)
        for number in (1, 2)
    ]  # fmt: skip
    try:
        async with standing(target, stack, tmp_path) as bed, bed.workers(1):
            async with hosted(bed, wish, hosting) as locust:
                for worker in workers:
                    worker.start()
                found = await locust.loaded()
            await counts_agree(bed, found, len(bed.iterations))
        assert len(bed.iterations) >= 3
        assert len({each.index for each in bed.iterations}) == len(bed.iterations)
        assert (found.load.processes, found.load.users, found.stopped) == (2, 6, False)
        assert [await worker.wait() for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            await worker.kill()


async def test_a_stall_that_a_closed_loop_hides(target: Target, tmp_path: Path) -> None:
    """Both under the same 2 s: p99 from the intended start is at least ten times what closed-loop Locust says."""
    wish = Wish(mix=["small-starts"], rate=20, duration=15, loop=Loop.BOTH, pace=0.035)
    with Run.create(tmp_path, kind="load", title="a stall", target="small", seed=1, command="pytest") as run:
        async with Testbed.standing(target, run, Wanted()) as bed, hosted(bed, wish, Hosting()) as locust:
            begun = await eventually(Recorded(run.directory).hosted, timeout=SLOW)
            assert begun is not None
            await asyncio.sleep(begun.load.began + 4 - now())
            temporal: Any = bed.stack["temporal"]
            await temporal.pause()
            await asyncio.sleep(2)
            await temporal.resume()
            found = await locust.loaded()
    lines = {line.loop: line for line in found.lines}
    ours, theirs = lines["open"].p99, lines["closed"].locust_p99
    assert ours is not None
    assert theirs is not None
    assert lines["open"].calls == 300
    assert ours >= 10 * theirs
    assert len([op for op in Recorded(run.directory).read(Operation) if not op.warm_up]) == 300
    assert "What a closed loop does not see." in write_report(run.directory).read_text()


async def test_the_web_ui_starts_one_load_and_shows_its_percentiles(
    target: Target, stack: Stack, tmp_path: Path
) -> None:
    """Its form has our arguments, and refuses what cannot be; then it shows our figures, and the report."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    wish = Wish(mix=["small-echo"], rate=10, duration=1)

    def get(path: str) -> requests.Response:
        return requests.get(base + path, timeout=SLOW)

    def swarm(**form: str) -> dict[str, Any]:
        answer: dict[str, Any] = requests.post(f"{base}/swarm", data=form, timeout=SLOW).json()
        return answer

    async with standing(target, stack, tmp_path) as bed, bed.workers(1):
        async with hosted(bed, wish, Hosting(ui_port=port, rate_cap=40)) as locust:
            page = (await eventually(lambda: asyncio.to_thread(get, "/"), timeout=SLOW)).text
            assert all(f'"{name}"' in page for name in wish.typed)
            assert 'href="./temper"' in page
            assert "there are no arrivals" in (await asyncio.to_thread(swarm, arrivals="hyperbole"))["message"]
            assert "At most 40 are allowed" in (await asyncio.to_thread(swarm, rate="41"))["message"]
            assert (await asyncio.to_thread(get, "/temper/report")).status_code == 404
            assert (await asyncio.to_thread(swarm, rate="20", arrivals="ramp"))["success"]
            found = await locust.loaded()
            assert (found.load.rate, found.load.arrivals) == (20, "ramp")
            assert "has had it" in (await asyncio.to_thread(swarm))["message"]
            figures = (await asyncio.to_thread(get, "/temper/figures")).json()["lines"]
            assert {row["call"]: row["calls"] for row in figures} == {
                "small-echo: start": 20, "small-echo: result": 20,
            }  # fmt: skip
            assert "small-echo: start" in (await asyncio.to_thread(get, "/temper")).text
            (shown,) = (await asyncio.to_thread(get, "/stats/requests")).json()["extended_stats"]
            assert shown["data"] == figures
            (bed.run.directory / "report.html").write_text("<h1>judged</h1>")
            assert (await asyncio.to_thread(get, "/temper/report")).text == "<h1>judged</h1>"
        await counts_agree(bed, found, 20)


async def test_a_locust_that_ends_early_says_why(target: Target, stack: Stack, tmp_path: Path) -> None:
    """Nothing was driven, so nothing is judged; its log is quoted."""
    async with standing(target, stack, tmp_path) as bed:
        broken = tmp_path / "broken.py"
        broken.write_text("raise ValueError('no such thing')")
        wish = Wish(mix=["small-echo"], rate=1, duration=1)
        async with hosted(bed, wish, Hosting(locustfile=broken)) as locust:
            with pytest.raises(LocustFailed, match="no such thing"):
                await locust.loaded()


@pytest.mark.parametrize(("processes", "ui"), [(1, False), (2, False), (1, True)])
async def test_a_load_that_cannot_begin_ends_locust(
    target: Target, stack: Stack, tmp_path: Path, processes: int, *, ui: bool
) -> None:
    """Here by a shape of one's own, which is not known before the load begins."""
    own = tmp_path / "own.py"
    own.write_text(
        "from loadtests import locustfile, shapes, users\n"
        "class Walks(users.OpenLoopUser): pass\n"
        "class Lost(shapes.ArrivalsShape):\n"
        "    spec = 'trace:nowhere.csv'\n"
    )
    async with standing(target, stack, tmp_path) as bed:
        wish = Wish(mix=["small-echo"], rate=1, duration=1)
        hosting = Hosting(locustfile=own, processes=processes, ui_port=free_port() if ui else None)
        async with hosted(bed, wish, hosting) as locust:
            if ui:
                start = f"http://127.0.0.1:{hosting.ui_port}/swarm"
                await eventually(lambda: asyncio.to_thread(requests.post, start, timeout=SLOW), timeout=SLOW)
            with pytest.raises(LocustFailed, match=r"The load could not begin: the trace nowhere\.csv cannot be read"):
                await locust.loaded()
    assert locust.process.returncode == 2


@pytest.mark.parametrize(("mix", "code"), [("small-marks", 0), ("small-failing", 1)])
async def test_locust_called_by_its_own_name_exits_as_the_gate_says(
    stack: Stack, tmp_path: Path, mix: str, code: int
) -> None:
    """On services that stand, with no more than --host, a cap and temper.toml, it makes a run, and has it judged."""
    read = Target.read(TESTS / "small.toml")
    words = ["-f", str(LOCUSTFILE), "--headless", "--host", stack["temporal"].address]
    words += ["--mix", mix, "--rate", "5", "--duration", "1", "--rate-cap", "5", "--yes"]
    called = Process(
        "locust",
        [sys.executable, "-m", "locust", *words],
        log_path=tmp_path / "log",
        cwd=tmp_path,
        env={"TEMPER_TARGET": str(read.path)},
    )
    async with standing(read, stack, tmp_path / "workers") as bed, bed.workers(1):
        called.start()
        try:
            assert await called.wait() == code, called.last_lines(100)
        finally:
            await called.kill()
    run = Recorded(latest(tmp_path / "results"))
    assert not run.info.partial
    assert len([op for op in run.read(Operation) if op.kind is Kind.START]) == 5
    assert (run.directory / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--mix", "small-ecko"], "There is no scenario or domain 'small-ecko'.\nDid you mean 'small-echo'?"),
        (["--mix", "small-echo", "--rate", "0"], "the rate must be above 0 iterations a second"),
        (["--mix", "small-echo", "--rate", "3"], "Temporal at 127.0.0.1:1 cannot be reached"),
        (["--mix", "small-echo", "--rate", "6", "--processes", "2"], "Say how much it may get"),
    ],
    ids=["mix", "rate", "address", "processes"],
)
async def test_locust_called_by_its_own_name_says_what_is_wrong(tmp_path: Path, words: list[str], says: str) -> None:
    """Without a traceback; it exits as any command that could not run, and so do the processes that it forked."""
    words = ["-f", str(LOCUSTFILE), "--headless", "--host", "127.0.0.1:1", "--rate-cap", "5", "--yes", *words]
    with (tmp_path / "log").open("wb") as log:
        called = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "locust", *words,
            cwd=tmp_path, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "TEMPER_TARGET": str(TESTS / "small.toml")},
        )  # fmt: skip
    try:
        assert await called.wait() == 2
    finally:
        if called.returncode is None:
            called.kill()
    told = (tmp_path / "log").read_text()
    assert says in told
    assert "Traceback" not in told
    here = str(tmp_path)
    await eventually(lambda: here not in {each.info["cwd"] for each in psutil.process_iter(["cwd"])}, timeout=30)


async def test_the_command_judges_what_locust_drove_and_leaves_its_web_ui(target: Target, tmp_path: Path) -> None:
    """`temper load ui`: a load that somebody starts in the form is judged, and the page has its report until Ctrl-C."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    words = ["load", "ui", "small-marks", "--rate", "5", "--duration", "1", "--processes", "2", "--workers", "1"]
    words += ["--ui-port", str(port), "--target", str(target.path), "--warm-up", "0.5", "--tenants", "gold"]
    command = Process("temper", [sys.executable, "-m", "temper", *words], log_path=tmp_path / "log", cwd=tmp_path)
    command.start()
    try:
        await eventually(lambda: asyncio.to_thread(requests.get, base, timeout=SLOW), timeout=SLOW)
        await eventually(lambda: asked(f"{base}/stats/requests").get("worker_count") == 2, timeout=SLOW)
        started = await asyncio.to_thread(requests.post, f"{base}/swarm", data={"rate": "10"}, timeout=SLOW)
        assert started.json()["success"]
        await eventually(lambda: requests.get(f"{base}/temper/report", timeout=SLOW).ok, timeout=SLOW)
        await eventually(lambda: "Ctrl-C ends it" in (tmp_path / "log").read_text(), timeout=SLOW)
        assert command.alive
        assert await command.terminate(SLOW, number=signal.SIGINT)
    finally:
        await command.kill()
    assert command.returncode == 0, command.last_lines(100)
    recorded = Recorded(latest(tmp_path / "results"))
    assert len([op for op in recorded.read(Operation) if op.kind is Kind.START]) == 10
    assert recorded.info.load is not None
    assert (recorded.info.load.rate, recorded.info.load.processes) == (10, 2)
    assert (recorded.info.load.warm_up, recorded.info.load.tenants) == (0.5, {"gold": 1.0})


def asked(url: str) -> dict[str, Any]:
    """What it answers, as JSON."""
    answer: dict[str, Any] = requests.get(url, timeout=SLOW).json()
    return answer
