"""CI, the documents and the sessions of nox name the same things, and a job of CI is nothing but sessions."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nox.registry
import pytest
import workflows
import yaml
from evidence import ROOT
from workflows import shown

import noxfile
from harness.errors import CannotRun

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NAMING = [
    *WORKFLOWS,
    ROOT / ".pre-commit-config.yaml",
    ROOT / "Makefile",
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs").glob("*.toml")),
    ROOT / "reports" / "objectives.toml",
    ROOT / "objectives.toml",
    ROOT / "pyproject.toml",
    ROOT / "temper.toml",
]
NAMED = re.compile(r"(?:nox -s|\$\(NOX\))((?: [a-z][\w-]*)+)")
SESSIONS = set(nox.registry.get())


def test_nox_has_its_sessions_from_the_noxfile() -> None:
    """What the others compare with is not empty."""
    assert noxfile.FLAKES
    assert {"lint", "test", "chaos-long"} <= SESSIONS


@pytest.mark.parametrize("path", NAMING, ids=lambda path: path.name)
def test_every_session_that_is_named_is_there(path: Path) -> None:
    """Whoever follows a page, or reads a red job, can run it."""
    text = path.read_text(encoding="utf-8")
    in_code = text if path.suffix != ".md" else "\n".join(re.findall(r"```.*?```|`[^`]+`", text, re.DOTALL))
    named = {name for names in NAMED.findall(in_code) for name in names.split()}
    assert named <= SESSIONS, f"{path.name} names {sorted(named - SESSIONS)}; there are {sorted(SESSIONS)}"


def test_every_session_is_in_the_table_of_contributing() -> None:
    """With what it does, and how long it takes."""
    told = set(re.findall(r"^\| `([\w-]+)` \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert told >= SESSIONS, f"CONTRIBUTING.md lacks a row of {sorted(SESSIONS - told)}"


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def sessions_of(workflow: dict[str, Any]) -> set[str]:
    """What it runs; those of a matrix too."""
    named = {name for step in steps(workflow) for name in str(step.get("run", "")).split()[2:]}
    for job in workflow["jobs"].values():
        lanes = job.get("strategy", {}).get("matrix", {}).get("include", ())
        named |= {lane["session"] for lane in lanes}
    return named - {'"$SESSION"'}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_is_nothing_but_sessions(path: Path) -> None:
    """So what is red there is red here by the same command."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    assert commands
    assert [
        command for command in commands if not re.fullmatch(r'\.venv/bin/nox -s( [\w-]+| "\$SESSION")+', command)
    ] == []
    assert sessions_of(workflow) <= SESSIONS


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_little_and_ends(path: Path) -> None:
    """It reads the sources and nothing else, each job has a limit of time, each action a version."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    set_up = yaml.safe_load((ROOT / ".github" / "actions" / "set-up" / "action.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    used = [step["uses"] for step in (*steps(workflow), *set_up["runs"]["steps"]) if "uses" in step]
    assert [action for action in used if not re.fullmatch(r"\./.+|[\w/-]+@(v\d+|[0-9a-f]{40})", action)] == []


def test_what_a_run_recorded_is_kept_where_a_job_fails() -> None:
    """A report is read when something went wrong: each job tells a summary, and keeps its runs, however it ended."""
    jobs = [job for path in WORKFLOWS for job in yaml.safe_load(path.read_text())["jobs"].values()]
    for job in jobs:
        summary, upload = job["steps"][-2:]
        assert re.fullmatch(r"\.venv/bin/nox -s( tested)? summary", summary["run"]), job["name"]
        assert "upload-artifact" in upload["uses"], job["name"]
        assert "results" in upload["with"]["path"], job["name"]
        assert summary["if"] == upload["if"] == "always()", job["name"]
    names = [job["steps"][-1]["with"]["name"] for job in jobs]
    assert len(set(names)) == len(names)


def test_what_the_tests_have_left_is_put_to_the_gate() -> None:
    """Of each job that runs them all."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"].values()
    ran = [[str(step.get("run", "")).removeprefix(".venv/bin/nox -s ") for step in job["steps"]] for job in jobs]
    assert {"test", "coverage"} <= {name for names in ran if "tested summary" in names for name in names}


def test_all_but_the_setting_up_runs_somewhere_in_ci() -> None:
    """Each session that checks or measures something, at every push or each night."""
    ran = set().union(*(sessions_of(yaml.safe_load(path.read_text())) for path in WORKFLOWS))
    assert ran >= {
        "lint",
        "types",
        "imports",
        "workflows",
        "audit",
        "test",
        "coverage",
        "scenarios",
        "containers",
        "chaos",
        "demo",
    }
    assert ran >= {"gates", "flakes", "mutation", "chaos-long", "detection", "bench", "models", "long", "thorough"}


def test_tests_run_on_each_python() -> None:
    """From the oldest that the package declares on."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    oldest = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert oldest
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == [oldest[1], "3.12", "3.13", "3.14"]


def test_hooks_run_what_is_there() -> None:
    """In .venv, where `make` has put it: nothing is fetched at a commit."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert {hook["id"] for hook in hooks} == {
        "ruff", "ruff-format", "mypy", "import-linter", "detect-secrets", "workflows"
    }  # fmt: skip
    assert all(hook["language"] == "system" and hook["entry"].startswith(".venv/bin/") for hook in hooks)


def test_workflows_that_a_page_shows_are_found(tmp_path: Path) -> None:
    """By the name in their first line, without which a block is refused, since nothing would check it."""
    page = tmp_path / "page.md"
    page.write_text("Text\n```yaml\n# .github/workflows/a-b.yml\non: push\n```\n```sh\nls\n```\n")
    assert list(shown(iter([page]))) == [(".github/workflows/a-b.yml", "on: push\n")]
    page.write_text("```yaml\non: push\n```\n")
    with pytest.raises(CannotRun, match="does not say which workflow it is"):
        list(shown(iter([page])))
    assert list(shown((ROOT / "docs").glob("*.md"))), "docs/ci.md shows one"


def test_a_workflow_that_is_wrong_is_found(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An expression of nothing, and a command that a shell would split."""
    kept = workflows.kept()
    if not kept.exists():
        pytest.skip("actionlint is not built yet: nox -s workflows")
    path = tmp_path / "wrong.yml"
    path.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n"
        "      - run: echo ${{ matrix.nothing }}\n      - run: rm $HOME/$1\n"
    )
    assert workflows.check(kept, [path], tmp_path) == 1
    said = capfd.readouterr().out
    assert "[expression]" in said
    assert "SC2086" in said
