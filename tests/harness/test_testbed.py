"""A testbed is everything one run needs standing, and goes down with it."""

import os
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import msgspec
import psutil
import pytest
from small_target import small_target, standing
from temporalio.client import Client

from harness.errors import CannotRun, ServiceFailed, UnknownName
from harness.eventually import eventually
from harness.journal.tables import JournalSection, TableSection
from harness.records.effects import Effect, Source
from harness.records.fingerprint import Fingerprint
from harness.records.journal import Commit
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.run import Recorded
from harness.records.verdicts import Judgement, Verdict
from harness.services.temporal import DevServer
from harness.stack import Stack
from harness.target import ProcessSection
from harness.testbed import BY_JOURNAL, CAVEATS, NO_LEDGER, ui_of


async def test_iterations_are_driven_recorded_and_judged(stack: Stack, tmp_path: Path) -> None:
    """Preparing runs once, iterations are numbered by scenario, and the end leaves judgements and a fingerprint."""
    target = small_target(prepare=["small-echo"])
    echo = target.scenario("small-echo")
    async with standing(target, stack, tmp_path) as bed, bed.workers(1):
        await bed.prepare()
        await bed.prepare()
        await bed.once(echo)
        await bed.once(target.scenario("small-failing"))
        judgements = await bed.conclude()
    assert [(each.scenario, each.index) for each in bed.iterations] == [
        ("small-echo", 0),
        ("small-echo", 1),
        ("small-failing", 0),
    ]
    recorded = Recorded(bed.run.directory)
    assert recorded.read(Judgement) == judgements
    verdicts = {judgement.invariant: judgement.verdict for judgement in judgements}
    assert verdicts["small-echo: its own check"] is Verdict.VALID
    assert verdicts["every workflow closed"] is Verdict.INVALID, "one workflow failed, and its scenario does not allow"
    results = [op for op in recorded.read(Operation) if op.kind is Kind.RESULT]
    assert [(op.ack, op.status) for op in results] == [(Ack.OK, "completed")] * 2 + [(Ack.OK, "failed")]
    fingerprint = recorded.fingerprint()
    assert isinstance(fingerprint, Fingerprint)
    assert (fingerprint.workers, fingerprint.links) == (1, ())
    assert [(service.name, service.provider) for service in fingerprint.services] == [("temporal", "external")]
    assert (bed.run.logs / "worker-1.log").exists()


async def test_effects_are_told_by_the_journal_where_there_is_no_ledger(
    stack: Stack, tmp_path: Path, postgres_url: str
) -> None:
    """Those of the run's workflows, since the services stood; which attempts wrote them is told to be unknown."""
    journal = JournalSection(tables={"escalations": TableSection(workflow="workflow_id", step="escalate")})
    target = small_target(services=["temporal", "postgres"], journal=journal)
    insert = "INSERT INTO escalations (workflow_id) VALUES ($1)"
    async with standing(target, stack, tmp_path, postgres_url=postgres_url, journal=True) as bed:
        assert bed.stores.postgres is not None
        await bed.stores.postgres.execute(insert, f"{bed.run.info.id}.small-echo.0.main")
        await bed.stores.postgres.execute(insert, "another run's")
        await bed.conclude()
    recorded = Recorded(bed.run.directory)
    (effect,) = recorded.read(Effect)
    assert effect.key == (f"{bed.run.info.id}.small-echo.0.main", "escalate", "")
    assert (effect.attempt, effect.source) == (None, Source.WAL)
    assert [len(commit.changes) for commit in recorded.read(Commit)] == [1, 0]
    fingerprint = recorded.fingerprint()
    assert fingerprint is not None
    assert BY_JOURNAL in fingerprint.caveats


async def test_a_journal_that_cannot_be_read_is_told(stack: Stack, tmp_path: Path, postgres_url: str) -> None:
    """Then nothing tells the effects, and the report says so, with the reason."""
    journal = JournalSection(tables={"escalations": TableSection(workflow="workflow_id", step="escalate")})
    target = small_target(services=["temporal", "postgres"], journal=journal)
    async with standing(target, stack, tmp_path, postgres_url=postgres_url, journal=True) as bed:
        assert bed.slot is not None
        bed.slot.name = "another"
        judgements = {each.invariant: each for each in await bed.conclude()}
    fingerprint = Recorded(bed.run.directory).fingerprint()
    assert fingerprint is not None
    assert NO_LEDGER in fingerprint.caveats
    assert any('replication slot "another" does not exist' in caveat for caveat in fingerprint.caveats)
    assert judgements["nothing doubled"].reason == "neither a ledger nor business rows were observed"


async def test_what_still_runs_is_waited_for(stack: Stack, tmp_path: Path) -> None:
    """Until it has ended, or the time is up: then it is told how many there are."""
    target = small_target()
    async with standing(target, stack, tmp_path) as bed:
        queue, prefix = target.file.task_queue, bed.run.info.id
        waiting = await bed.client.start_workflow("Echo", "hello", id=f"{prefix}.small-echo.0.main", task_queue=queue)
        await eventually(lambda: bed.quiesce(0.0), timeout=20)
        assert await bed.quiesce(0.1) == 1
        async with bed.workers(1):
            assert await bed.quiesce(60) == 0
        assert await waiting.result() == "hello"


async def test_with_links_every_worker_and_the_client_have_their_own(stack: Stack, tmp_path: Path) -> None:
    """Each worker and the client reach each service through a proxy of their own; cutting one spares the others."""
    target = small_target()
    echo = target.scenario("small-echo")
    told: list[str] = []
    async with standing(target, stack, tmp_path, links=True, notify=told.append) as bed:
        assert bed.links is not None
        async with bed.workers(2, linked=True) as workers:
            assert sorted(link.name for link in bed.links) == [
                "client.temporal",
                "worker-1.temporal",
                "worker-2.temporal",
            ]
            assert "worker-1, worker-2 ready, each on links of its own" in told
            handed_over = [psutil.Process(worker.pid).environ()["TEMPORAL_ADDRESS"] for worker in workers]
            assert handed_over == [link.listen for link in bed.links if link.owner != "client"]
            (first,) = bed.links.of("worker-1")
            await bed.links.api.disable(first)
            await bed.once(echo)
            fingerprint = bed.fingerprint()
        assert not [worker for worker in workers if worker.alive]
    assert fingerprint.workers == 2
    assert len(fingerprint.links) == 3
    says = CAVEATS["temporal", "persistence", "sqlite"]
    assert fingerprint.caveats == (says, NO_LEDGER), "the server says so itself, though external"
    operations = Recorded(bed.run.directory).read(Operation)
    assert [op.ack for op in operations] == [Ack.OK, Ack.OK], "the other worker did the work"


async def test_workers_look_for_faults_only_where_they_are_asked_to(stack: Stack, tmp_path: Path) -> None:
    """Then it is the command for that, where there is one, and the directory is told; links or not."""
    section = small_target().file.worker
    with_points = msgspec.structs.replace(section, fault_points=["{python}", "-m", "other"])
    for worker, command in ((section, "small_process"), (with_points, "other")):
        async with standing(small_target(worker=worker), stack, tmp_path) as bed:
            before = bed.worker("worker-1").spec
            assert (before.command[-1], "FAULT_POINTS" in before.environment) == ("small_process", False)
            points = bed.look_for_faults()
            assert bed.look_for_faults() is points
            after = bed.worker("worker-1").spec
            assert (after.command[-1], after.environment["FAULT_POINTS"]) == (command, str(points.directory))


async def test_the_fingerprint_says_where_temporals_ui_shows_the_run(stack: Stack, tmp_path: Path) -> None:
    """A server that is started tells; of an external one the target may, and else nothing is guessed."""
    for ui, shown in (("", ""), ("https://ui.example/", "https://ui.example/namespaces/default")):
        async with standing(small_target(ui=ui), stack, tmp_path) as bed:
            assert [service.ui for service in bed.fingerprint().services] == [shown]
    started = stack["temporal"]
    assert isinstance(started, DevServer)
    assert ui_of(started, small_target(ui="https://ui.example")) == f"{started.ui}/namespaces/default"
    assert ui_of(stack["redis"], small_target(ui="https://ui.example")) == ""


async def test_the_clients_link_is_not_the_measurements(stack: Stack, tmp_path: Path) -> None:
    """What is driven goes through the client's own link; what is timed on a queue of its own goes direct."""
    target = small_target()
    async with standing(target, stack, tmp_path, links=True) as bed:
        assert bed.links is not None
        (way,) = bed.links.of("client")
        driven = bed.app(_iteration(bed.run.info.id))
        timed = bed.app(_iteration(bed.run.info.id), task_queue="other", client=bed.client)
        assert driven.client.service_client.config.target_host == way.listen
        assert timed.client.service_client.config.target_host == stack["temporal"].address
        assert (driven.task_queue, timed.task_queue) == (target.file.task_queue, "other")


def _iteration(run: str) -> Iteration:
    return Iteration(run=run, scenario="small-echo", index=0, seed=1, intended=0)


async def test_without_links_none_can_be_asked_for(stack: Stack, tmp_path: Path) -> None:
    """Linked workers on a testbed without links are an error that says what to do."""
    async with standing(small_target(), stack, tmp_path) as bed:
        with pytest.raises(CannotRun, match="This run has no links"):
            async with bed.workers(1, linked=True):
                pytest.fail("there is nothing to link through")


async def test_the_target_is_migrated_with_its_environment(stack: Stack, tmp_path: Path, postgres_url: str) -> None:
    """The migration runs beside temper.toml with every address filled in; the stores are open afterwards."""
    note = tmp_path / "note"
    code = "import os, pathlib; pathlib.Path(os.environ['NOTE']).write_text(os.getcwd() + ' ' + os.environ['DB'])"
    target = small_target(
        services=["temporal", "postgres", "redis"],
        migrate=["{python}", "-c", code],
        environment={"NOTE": str(note), "DB": "{postgres.url} {worker.task_queue} {workspace}"},
    )
    async with standing(target, stack, tmp_path / "results", postgres_url=postgres_url) as bed:
        directory, url, queue, workspace = note.read_text().split(" ")
        assert directory == str(Path(__file__).parent.parent)
        assert (url, queue) == (postgres_url, target.file.task_queue)
        assert Path(workspace) == bed.stack.directory
        assert isinstance(bed.stores.postgres, asyncpg.Pool)
        assert await bed.stores.postgres.fetchval("SELECT count(*) FROM effects") == 0
        assert bed.stores.redis is not None
        assert await bed.stores.redis.ping()
    assert not Path(workspace).exists()
    with pytest.raises(asyncpg.InterfaceError, match="closed"):
        await bed.stores.postgres.fetchval("SELECT 1")


async def test_a_process_of_the_target_is_told_to_workers_and_scenarios(stack: Stack, tmp_path: Path) -> None:
    """Workers reach it through links of their own, scenarios and stores past them; the fingerprint has it."""
    files = ["{python}", "-m", "http.server", "{files.port}", "--bind", "{files.host}"]
    target = small_target(
        processes={"files": ProcessSection(command=files, ready="{files.url}/")},
        environment=small_target().file.environment | {"FILES": "{files.url}"},
    )
    async with standing(target, stack, tmp_path, links=True) as bed:
        assert bed.links is not None
        direct = bed.stack["files"].url
        assert bed.app(_iteration(bed.run.info.id)).addresses["files.url"] == direct
        assert bed.stores.addresses["files.url"] == direct
        assert bed.stores.addresses == bed.stack.addresses
        async with bed.workers(1, linked=True) as workers:
            handed_over = psutil.Process(workers[0].pid).environ()["FILES"]
        (way,) = [link for link in bed.links.of("worker-1") if link.service == "files"]
        assert handed_over == f"http://{way.listen}" != direct
        told = [(service.name, service.provider) for service in bed.fingerprint().services]
        assert told == [("temporal", "external"), ("toxiproxy", "embedded"), ("files", "embedded")]
    assert (bed.run.logs / "files.log").exists()


async def test_the_targets_client_reads_the_environment_as_a_worker_does(stack: Stack, tmp_path: Path) -> None:
    """It is handed the environment filled in, with its own links' addresses where the run has links."""
    seen: list[Mapping[str, str]] = []

    async def connect(environment: Mapping[str, str]) -> Client:
        seen.append(environment)
        return await Client.connect(environment["ADDRESS"], identity="the target's own")

    target = small_target(
        environment={
            "ADDRESS": "{temporal.address}",
            "WORKER": "{worker.name} {worker.task_queue} {worker.namespace}",
            "HEALTH": "{worker.health}",
        }
    )
    target.connect = connect
    async with standing(target, stack, tmp_path, links=True) as bed:
        assert bed.links is not None
        (way,) = bed.links.of("client")
        worker = {"WORKER": f"client {target.file.task_queue} default", "HEALTH": ""}
        assert seen == [{"ADDRESS": stack["temporal"].address, **worker}, {"ADDRESS": way.listen, **worker}]
        assert bed.client.identity == bed.linked_client.identity == "the target's own"
        assert bed.plain_client.identity != "the target's own"


async def test_without_a_client_of_its_own_the_bare_sdks_will_do(stack: Stack, tmp_path: Path) -> None:
    """A target that names no client is reached by the SDK's own, in the target's namespace."""
    async with standing(small_target(), stack, tmp_path) as bed:
        assert bed.client is bed.linked_client is bed.plain_client
        assert bed.client.namespace == "default"


async def test_a_migration_that_fails_is_told_with_its_last_words(stack: Stack, tmp_path: Path) -> None:
    """Nothing stands on a database that could not be migrated; its last lines are in the error."""
    target = small_target(migrate=["{python}", "-c", "raise SystemExit('column is missing')"])
    with pytest.raises(ServiceFailed, match=r"migrate ended with exit code 1[\s\S]*column is missing"):
        async with standing(target, stack, tmp_path):
            pytest.fail("it must not stand")


async def test_a_migration_that_does_not_end_is_given_up(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration has a deadline, and does not outlive it."""
    monkeypatch.setattr("harness.preparations.MIGRATE_SECONDS", 0.5)
    note = tmp_path / "pid"
    code = f"import os, pathlib, time; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(60)"
    with pytest.raises(ServiceFailed, match="migrate did not end within"):
        async with standing(small_target(migrate=["{python}", "-c", code]), stack, tmp_path):
            pytest.fail("it must not stand")
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


async def test_a_worker_that_dies_at_once_is_told_with_its_last_words(stack: Stack, tmp_path: Path) -> None:
    """A worker that ends before it is ready is an error that quotes its log, and what stands goes down."""
    target = small_target()
    section = target.file.worker
    dying = type(section)(command=["{python}", "-c", "raise SystemExit('no licence')"])
    with pytest.raises(ServiceFailed, match=r"worker-1 ended with exit code 1[\s\S]*no licence"):
        async with standing(small_target(worker=dying), stack, tmp_path) as bed, bed.workers(1):
            pytest.fail("there is no worker")


async def test_a_placeholder_that_does_not_exist_is_told(stack: Stack, tmp_path: Path) -> None:
    """An address of a service the target does not ask for is refused, and the known ones are listed."""
    target = small_target(environment={"DATABASE_URL": "{postgres.url}"})
    with pytest.raises(UnknownName, match=r"no placeholder '\{postgres.url\}'[\s\S]*\{temporal.address\}"):
        async with standing(target, stack, tmp_path) as bed, bed.workers(1):
            pytest.fail("there is no worker")


async def test_what_is_to_be_compiled_is_compiled_first(stack: Stack, tmp_path: Path) -> None:
    """`build` is done before anything stands, in the target's directory, and is told."""
    note, told = tmp_path / "built", list[str]()
    target = small_target(build=["{python}", "-c", f"import os; open({str(note)!r}, 'w').write(os.getcwd())"])
    async with standing(target, stack, tmp_path, notify=told.append):
        assert note.read_text() == str(target.directory)
    assert told[0].startswith("building: ")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["{python}", "-c", "raise SystemExit('no such type')"], r"build ended with exit code 1[\s\S]*no such type"),
        (["no-such-compiler", "."], "build cannot be done: no-such-compiler, or what it calls, is not on PATH"),
    ],
)
async def test_what_cannot_be_compiled_is_told(stack: Stack, tmp_path: Path, command: list[str], says: str) -> None:
    """Nothing is started, the log is quoted, and a compiler that is missing is named."""
    with pytest.raises(ServiceFailed, match=says):
        async with standing(small_target(build=command), stack, tmp_path):
            pytest.fail("it must not stand")
