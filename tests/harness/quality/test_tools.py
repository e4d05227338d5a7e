"""What each tool says is read; what it could not look at is not known, and never a zero."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from quality_projects import project_of, saying
from small_project import commit

from harness.quality.bandit import vulnerabilities_code
from harness.quality.dependencies import PROBE, vulnerabilities_dependencies
from harness.quality.secret_scan import secrets
from harness.quality.section import QualitySection
from harness.quality.tool import Tool
from harness.quality.type_errors import type_errors
from harness.records.checks import Check


async def types_of(directory: Path, command: list[str]) -> Check:
    (check,) = await type_errors(project_of(directory, QualitySection(types=command)))
    return check


async def test_type_errors_are_counted(tmp_path: Path) -> None:
    """As mypy writes them; notes are none, and it says of how many files they are."""
    said = "a.py:1: error: no  [x]\na.py:1: note: see\nb.py:2: error: no  [y]\nFound 2 (checked 7 source files)"
    check = await types_of(tmp_path, saying(said, code=1))
    assert (check.value, check.detail) == (2, "of 7 source files")
    assert check.findings == ("a.py:1: error: no  [x]", "b.py:2: error: no  [y]")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (saying("", complaint="usage: mypy", code=2), "ended with exit code 2: usage: mypy, and told of no error"),
        (saying("a.py:1: error: no", code=0), "ended with exit code 0"),
        (["no-such-checker"], "exit code 127"),
        ([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], "signal SIGKILL"),
    ],
)
async def test_a_checker_that_breaks_off_found_nothing_out(tmp_path: Path, command: list[str], why: str) -> None:
    """One that fails without an error, that has one and does not fail, that is not there, or that is killed."""
    check = await types_of(tmp_path, command)
    assert check.value is None
    assert why in check.reason


def audit(*dependencies: dict[str, Any]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def auditing(probe: str, found: str) -> list[str]:
    """A command that plays pip-audit: says one thing of the probe, another of the dependencies."""
    program = f"import sys; print({probe!r} if sys.argv[1].endswith('probe.txt') else {found!r})"
    return [sys.executable, "-c", program, "{requirements}"]


KNOWN = {"name": "urllib3", "version": "1.24.1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.24.2"]}]}
SOUND = {"name": "click", "version": "8", "vulns": []}
SKIPPED = {"name": "shop", "skip_reason": "Dependency not found on PyPI"}


async def dependencies_of(directory: Path, probe: str, found: str) -> Check:
    section = QualitySection(requirements="requirements.txt", dependencies=auditing(probe, found))
    (check,) = await vulnerabilities_dependencies(project_of(directory, section))
    return check


async def test_known_vulnerabilities_are_counted(tmp_path: Path) -> None:
    """With where each is mended, and of when the data is; one is one, also where nothing is known of another."""
    check = await dependencies_of(tmp_path, audit(KNOWN), audit(KNOWN, SOUND, SKIPPED))
    assert check.value == 1
    assert check.findings == ("urllib3 1.24.1: PYSEC-1, mended in 1.24.2",)
    assert "of 1 of 3 dependencies nothing is known" in check.detail
    assert check.data is not None
    assert (tmp_path / "logs" / "probe.txt").read_text() == f"{PROBE}\n"


async def test_none_are_none_only_where_the_data_was_reached(tmp_path: Path) -> None:
    """Of a package that is known to be vulnerable, something must be found; and something known of each dependency."""
    assert (await dependencies_of(tmp_path, audit(KNOWN), audit(SOUND))).value == 0
    for probe, found, why in (
        (audit(SKIPPED), audit(SOUND), "its data was not reached, for it finds nothing in urllib3==1.24.1"),
        (audit(SOUND), audit(SOUND), "its data was not reached"),
        ("no connection", audit(SOUND), "ended with exit code 0"),
        (audit(KNOWN), audit(SOUND, SKIPPED), "of 1 of 2 dependencies nothing is known: Dependency not found on PyPI"),
        (audit(KNOWN), audit(), "it looked at no dependency"),
        (audit(KNOWN), "", "ended with exit code 0"),
    ):
        check = await dependencies_of(tmp_path, probe, found)
        assert check.findings == (("Dependency not found on PyPI",) if probe == audit(SKIPPED) else ())
        assert (check.value, check.data) == (None, None)
        assert why in check.reason


BANDIT = ["{python}", "-m", "bandit", "--quiet", "--format", "json", "--recursive", "shop"]


async def code_of(directory: Path, source: str | None) -> Check:
    (directory / "shop").mkdir(exist_ok=True)
    if source is not None:
        (directory / "shop" / "a.py").write_text(source)
    (check,) = await vulnerabilities_code(project_of(directory, QualitySection(code=BANDIT)))
    return check


async def test_grave_findings_in_code_are_counted(tmp_path: Path) -> None:
    """What is of low severity, such as an assertion, is not."""
    check = await code_of(tmp_path, "import subprocess\n\nassert subprocess.call(input(), shell=True)\n")
    assert check.value == 1
    assert check.findings[0].startswith("shop/a.py:3: B602 ")
    assert check.tool.startswith("bandit 1.")


@pytest.mark.parametrize(("source", "why"), [("def (", "shop/a.py could not be looked at"), (None, "no line of code")])
async def test_code_that_cannot_be_looked_at_is_not_known(tmp_path: Path, source: str | None, why: str) -> None:
    """The tool itself says that it found nothing."""
    check = await code_of(tmp_path, source)
    assert check.value is None
    assert why in check.reason


SCAN = ["{python}", "-m", "detect_secrets", "scan", "--no-verify"]


async def secrets_of(directory: Path, command: list[str]) -> Check:
    (check,) = await secrets(project_of(directory, QualitySection(secrets=command)))
    return check


async def test_secrets_are_counted_in_the_files_git_knows(tmp_path: Path) -> None:
    """What says why it is none is none; outside a repository the tool looks at nothing, so nothing is known."""
    key = "AKIA" + "QYLPMN5H" * 2
    (tmp_path / "keys.toml").write_text(f'one = "{key}"\ntwo = "{key}"  # pragma: allowlist secret - made up\n')
    check = await secrets_of(tmp_path, SCAN)
    assert (check.value, check.reason) == (None, "it looks at the files git knows, and here git knows none")
    commit(tmp_path)
    check = await secrets_of(tmp_path, SCAN)
    assert check.value == 1
    assert check.findings == ("keys.toml:1: AWS Access Key",)
    check = await secrets_of(tmp_path, saying("", complaint="No module named detect_secrets", code=1))
    assert (check.value, check.reason) == (None, "ended with exit code 1: No module named detect_secrets")


async def test_runs_that_a_tool_makes_are_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests make runs, with what is bad planted in them: no gate over what a lane lists may judge those."""
    monkeypatch.setenv("TEMPER_RUNS", str(tmp_path / "runs.txt"))
    where_listed = "import os; print(os.environ['TEMPER_RUNS'])"
    tool = Tool(name="tests", command=[sys.executable, "-c", where_listed])
    ended = await tool.run(project_of(tmp_path, QualitySection()))
    assert (ended.code, ended.output.strip()) == (0, "")
